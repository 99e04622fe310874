//! The room: its doors, and what the gate must know.

use std::sync::Arc;

use haar_ec2_contract::model::SERVICE;
use haar_ec2_contract::peek::Ec2Peek;
use haar_kernel::{Call, Doors, Room, resource_of};
use haar_ledger::Snapshot;
use haar_wire::{AwsError, OperationSchema, ServiceSchema, Shape, json_member, text_member};

use crate::Ec2;
use crate::listing::place_of;
use crate::ops::{besides, named, tags_of_id};
use crate::peek::Peek;
use crate::world::seen;

impl Ec2 {
    /// Opens the room and offers its [`Ec2Peek`] to the others.
    pub fn new(doors: &Doors) -> Self {
        doors.peeks.offer::<dyn Ec2Peek>(Arc::new(Peek));
        Self { _private: () }
    }
}

impl Room for Ec2 {
    fn service(&self) -> &'static ServiceSchema {
        &SERVICE
    }

    fn admit(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        _operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Result<(), AwsError> {
        if text_member(input, "DryRun").as_deref() == Some("true") {
            let text = "Request would have succeeded, but DryRun flag is set.";
            return Err(AwsError::new("DryRunOperation", 412, text));
        }
        Ok(())
    }

    /// What a request is about, whichever way it names it.
    fn resources(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<String> {
        let place = place_of(call);
        let snapshot = seen(snapshot, &place);
        let mut all = named(&snapshot, &place, operation, input);
        if all.is_empty() {
            all.push(resource_of(operation, call, input));
        }
        all.extend(besides(&snapshot, &place, operation, input));
        all
    }

    /// The tags of a resource.
    fn resource_keys(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Vec<(String, Vec<String>)> {
        let place = place_of(call);
        let Some((_, id)) = resource.rsplit_once('/') else { return Vec::new() };
        let tags = tags_of_id(&seen(snapshot, &place), &place, id).unwrap_or_default();
        let keys = |(key, value): (String, String)| {
            ["aws", "ec2"].map(|stem| (format!("{stem}:ResourceTag/{key}"), vec![value.clone()]))
        };
        tags.into_iter().flat_map(keys).collect()
    }

    /// The tags that a request gives or names.
    fn condition_keys(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        _operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<(String, Vec<String>)> {
        let mut keys = vec![("ec2:Region".to_owned(), vec![call.region.to_string()])];
        let (lists, tags) = (json_member(input, "TagSpecification"), json_member(input, "Tag"));
        let lists = lists.as_array().into_iter().flatten();
        let given = lists.flat_map(|list| list["Tag"].as_array().into_iter().flatten());
        let mut names = Vec::new();
        for tag in given.chain(tags.as_array().into_iter().flatten()) {
            let (Some(key), value) = (tag["key"].as_str(), tag["value"].as_str()) else { continue };
            let value = value.unwrap_or_default().to_owned();
            keys.push((format!("aws:RequestTag/{key}"), vec![value]));
            names.push(key.to_owned());
        }
        if !names.is_empty() {
            keys.push(("aws:TagKeys".to_owned(), names));
        }
        keys
    }
}
