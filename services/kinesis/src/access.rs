//! Which resources a call is about, for its authorisation.

use std::sync::Arc;

use haar_kernel::{Call, Room, request_tags, resource_tags};
use haar_kinesis_contract::model::SERVICE;
use haar_ledger::Snapshot;
use haar_policy::{Document, Grammar};
use haar_types::Tags;
use haar_wire::{OperationSchema, ServiceSchema, Shape, json_member, text_member};

use crate::Kinesis;
use crate::lookup::{consumer_key_of_arn, key_of_arn};
use crate::rules::iterator::Iterator as Place;
use crate::state::{ConsumerKey, ConsumerRow, StreamRow};

/// The ARN that a call names in whichever way.
fn named(call: &Call, snapshot: &Snapshot, input: &dyn Shape) -> Option<String> {
    let of_member = |member: &str| text_member(input, member);
    if let Some(arn) = of_member("ConsumerARN").or_else(|| of_member("ResourceARN")) {
        return Some(arn);
    }
    let stream = match (of_member("StreamARN"), of_member("StreamName")) {
        (Some(arn), _) => Some(arn),
        (None, Some(name)) => {
            Some(format!("arn:aws:kinesis:{}:{}:stream/{name}", call.region, call.account))
        }
        (None, None) => of_member("ShardIterator")
            .and_then(|token| Place::parse(&token))
            .map(|place| place.stream.arn()),
    };
    let consumer = of_member("ConsumerName").and_then(|name| {
        let stream = key_of_arn(stream.as_deref()?)?;
        let row = snapshot.get::<ConsumerRow>(&ConsumerKey { stream, name })?;
        Some(row.arn())
    });
    consumer.or(stream)
}

/// Tags and policy of what an ARN names.
fn carried(snapshot: &Snapshot, arn: &str) -> Option<(Tags, Option<String>)> {
    if arn.contains("/consumer/") {
        let row = snapshot.get::<ConsumerRow>(&consumer_key_of_arn(arn)?)?;
        return Some((row.tags.clone(), row.policy.clone()));
    }
    let row = snapshot.get::<StreamRow>(&key_of_arn(arn)?)?;
    Some((row.tags.clone(), row.policy.clone()))
}

impl Room for Kinesis {
    fn service(&self) -> &'static ServiceSchema {
        &SERVICE
    }

    fn resources(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<String> {
        // A consumer that is about to exist is its stream's.
        let found = match operation.name {
            "RegisterStreamConsumer" => text_member(input, "StreamARN"),
            _ => named(call, snapshot, input),
        };
        vec![found.unwrap_or_else(|| "*".to_owned())]
    }

    fn resource_policy(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Option<Arc<Document>> {
        let (_, policy) = carried(snapshot, resource)?;
        let document = Document::parse(&policy?, Grammar::Resource);
        if let Err(error) = &document {
            tracing::error!(%error, "a stream's policy cannot be read");
        }
        document.ok().map(Arc::new)
    }

    fn condition_keys(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        _operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<(String, Vec<String>)> {
        request_tags(&json_member(input, "Tags"), &json_member(input, "TagKeys"))
    }

    fn resource_keys(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Vec<(String, Vec<String>)> {
        let tags = carried(snapshot, resource).map(|(tags, _)| tags).unwrap_or_default();
        resource_tags(&tags)
    }
}
