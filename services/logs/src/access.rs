//! Which resources a call is about, for its authorisation.

use haar_kernel::{Call, Room, request_tags, resource_tags};
use haar_ledger::Snapshot;
use haar_logs_contract::model::SERVICE;
use haar_wire::{Json, OperationSchema, ServiceSchema, Shape, View, json_member, text_member};

use crate::Logs;
use crate::lookup::identified_group;
use crate::state::GroupRow;

impl Room for Logs {
    fn service(&self) -> &'static ServiceSchema {
        &SERVICE
    }

    fn resources(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<String> {
        // A name in an ARN's place and an ARN without its end mean the same group.
        let of_group = |identifier: &str| {
            let key = identified_group(call, identifier);
            key.map_or_else(|_| identifier.to_owned(), |key| format!("{}:*", key.arn()))
        };
        if operation.name == "StartLiveTail" {
            return live_tail_groups(input).iter().map(|group| of_group(group)).collect();
        }
        if let Some(arn) = text_member(input, "resourceArn") {
            // tags are the group's own, whose ARN ends with its name
            let key = identified_group(call, &arn);
            return vec![key.map_or(arn, |key| key.arn())];
        }
        let identifier = text_member(input, "logGroupIdentifier")
            .or_else(|| text_member(input, "resourceIdentifier"));
        match identifier {
            Some(identifier) => vec![of_group(&identifier)],
            None => vec![haar_kernel::resource_of(operation, call, input)],
        }
    }

    fn condition_keys(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<(String, Vec<String>)> {
        tags_of(operation, input)
    }

    /// The tags of a group, also for its streams.
    fn resource_keys(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Vec<(String, Vec<String>)> {
        let group = resource.split_once(":log-stream:").map_or(resource, |(group, _)| group);
        let key = identified_group(call, group).ok();
        let row = key.and_then(|key| snapshot.get::<GroupRow>(&key));
        resource_tags(row.iter().flat_map(|row| row.tags.iter()))
    }
}

/// The tags that a call gives, and the names of those that it takes away.
fn tags_of(operation: &OperationSchema, input: &dyn Shape) -> Vec<(String, Vec<String>)> {
    let (tags, keys) = (json_member(input, "tags"), json_member(input, "tagKeys"));
    match operation.name {
        "UntagLogGroup" => request_tags(&Json::Null, &tags), // names alone
        _ => request_tags(&tags, &keys),
    }
}

fn live_tail_groups(input: &dyn Shape) -> Vec<String> {
    let mut members = input.schema().members().iter();
    let index = members.position(|member| member.name == "logGroupIdentifiers");
    let Some(View::List(list)) = index.map(|index| input.member(index).view()) else {
        return Vec::new();
    };
    let texts = (0..list.len()).filter_map(|index| match list.item(index).view() {
        View::Text(text) => Some(text.to_owned()),
        _ => None,
    });
    texts.collect()
}
