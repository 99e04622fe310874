//! What the gate must know of queues: ARNs, their own policies, condition keys.

use std::sync::Arc;

use haar_kernel::{Call, Room, request_tags, resource_tags};
use haar_ledger::Snapshot;
use haar_policy::Document;
use haar_sqs_contract::model::SERVICE;
use haar_wire::{Json, OperationSchema, ServiceSchema, Shape, json_member, text_member};

use crate::Sqs;
use crate::lookup::key_of;
use crate::state::{QueueKey, QueueRow};

impl Room for Sqs {
    fn service(&self) -> &'static ServiceSchema {
        &SERVICE
    }

    fn resources(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        _operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<String> {
        if let Some(url) = text_member(input, "QueueUrl") {
            return vec![key_of(call, &url).map_or(url, |key| key.arn())];
        }
        if let Some(arn) = text_member(input, "SourceArn") {
            return vec![arn];
        }
        if let Some(handle) = text_member(input, "TaskHandle") {
            return vec![crate::ops::source_of_handle(&handle).unwrap_or_else(|| "*".to_owned())];
        }
        let owner = text_member(input, "QueueOwnerAWSAccountId");
        let account = owner.and_then(|id| id.parse().ok()).unwrap_or_else(|| call.account.clone());
        match text_member(input, "QueueName").filter(|name| !name.is_empty()) {
            Some(name) => vec![QueueKey { account, region: call.region.clone(), name }.arn()],
            None => vec!["*".to_owned()],
        }
    }

    fn resource_policy(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Option<Arc<Document>> {
        snapshot.get::<QueueRow>(&QueueKey::of_arn(resource)?)?.policy()
    }

    fn condition_keys(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        _operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<(String, Vec<String>)> {
        let tags =
            ["tags", "Tags"].map(|member| request_tags(&json_member(input, member), &Json::Null));
        tags.concat()
    }

    fn resource_keys(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Vec<(String, Vec<String>)> {
        let row = QueueKey::of_arn(resource).and_then(|key| snapshot.get::<QueueRow>(&key));
        resource_tags(row.iter().flat_map(|row| row.tags.iter()))
    }
}
