//! What the gate must know of topics: ARNs, their policies, condition keys.

use std::sync::Arc;

use haar_kernel::{Call, Room, request_tags, resource_tags};
use haar_ledger::Snapshot;
use haar_policy::{Document, Grammar};
use haar_sns_contract::model::SERVICE;
use haar_wire::{Json, OperationSchema, ServiceSchema, Shape, json_member, text_member};

use crate::Sns;
use crate::state::{TopicKey, TopicRow};

/// Members that name what a call is about.
const ARN_MEMBERS: &[&str] = &[
    "TopicArn",
    "TargetArn",
    "ResourceArn",
    "SubscriptionArn",
    "PlatformApplicationArn",
    "EndpointArn",
];

impl Room for Sns {
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
        let named = ARN_MEMBERS.iter().find_map(|member| text_member(input, member));
        if let Some(arn) = named {
            // A subscription is its topic's.
            let topic = TopicKey::of_arn(&arn).map(|key| key.arn());
            return vec![topic.unwrap_or(arn)];
        }
        let stem = format!("arn:aws:sns:{}:{}", call.region, call.account);
        match (operation.name, text_member(input, "Name")) {
            ("CreateTopic", Some(name)) => vec![format!("{stem}:{name}")],
            ("CreatePlatformApplication", Some(name)) => {
                let platform = text_member(input, "Platform").unwrap_or_default();
                vec![format!("{stem}:app/{platform}/{name}")]
            }
            ("ListTopics" | "ListSubscriptions", _) => vec![format!("{stem}:*")],
            _ => vec!["*".to_owned()],
        }
    }

    fn resource_policy(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Option<Arc<Document>> {
        let row = snapshot.get::<TopicRow>(&TopicKey::of_arn(resource)?)?;
        let text = row.settings.effective_policy(resource, row.key.account.as_str());
        Document::parse(&text, Grammar::Resource).ok().map(Arc::new)
    }

    fn condition_keys(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        _operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<(String, Vec<String>)> {
        // `aws:SourceOwner`, which the policy that AWS gives to each topic goes by, is set by
        // services that act for an account. No user or role has it, or that policy would let
        // everybody of the account do everything to each topic.
        let mut keys = Vec::new();
        for (member, key) in [("Protocol", "sns:Protocol"), ("Endpoint", "sns:Endpoint")] {
            keys.extend(text_member(input, member).map(|text| (key.to_owned(), vec![text])));
        }
        keys.extend(request_tags(&json_member(input, "Tags"), &Json::Null));
        keys
    }

    fn resource_keys(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Vec<(String, Vec<String>)> {
        let row = TopicKey::of_arn(resource).and_then(|key| snapshot.get::<TopicRow>(&key));
        resource_tags(row.iter().flat_map(|row| row.tags.iter()))
    }
}
