//! The room: its doors, its key, what the gate must know of its resources.

use std::sync::Arc;

use haar_kernel::{Call, DataKey, Doors, Room, request_tags};
use haar_ledger::Snapshot;
use haar_ssm_contract::model::SERVICE;
use haar_ssm_contract::peek::SsmPeek;
use haar_wire::{Json, OperationSchema, ServiceSchema, Shape, json_member, text_member};

use crate::peek::Peek;
use crate::rules::name::{Reference, arn_of};
use crate::state::ParameterRow;

/// The room.
pub struct Ssm {
    pub(crate) doors: Doors,
    pub(crate) key: DataKey,
}

impl Ssm {
    /// Opens the room and offers its [`SsmPeek`] to the others.
    pub fn new(doors: &Doors, key: DataKey) -> Self {
        doors.peeks.offer::<dyn SsmPeek>(Arc::new(Peek { key: key.clone() }));
        Self { doors: doors.clone(), key }
    }
}

impl Room for Ssm {
    fn service(&self) -> &'static ServiceSchema {
        &SERVICE
    }

    /// The ARNs of the parameters that a call names.
    fn resources(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<String> {
        let member =
            operation.resource.rsplit_once('{').map(|(_, name)| name.trim_end_matches('}'));
        let named = match json_member(input, member.unwrap_or_default()) {
            Json::String(name) => vec![name],
            Json::Array(names) => {
                names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        };
        if named.is_empty() {
            return vec![format!("arn:aws:ssm:{}:{}:*", call.region, call.account)];
        }
        let arn = |text: &String| match Reference::read(&call.account, &call.region, text) {
            Some(at) => arn_of(&at.account, &at.region, &at.names[0]),
            None => text.clone(),
        };
        named.iter().map(arn).collect()
    }

    fn condition_keys(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        _operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<(String, Vec<String>)> {
        let mut keys = request_tags(&json_member(input, "Tags"), &json_member(input, "TagKeys"));
        if let Some(overwrite) = json_member(input, "Overwrite").as_bool() {
            keys.push(("ssm:Overwrite".to_owned(), vec![overwrite.to_string()]));
        }
        let named = ["Name", "ResourceId"].iter().find_map(|member| text_member(input, member));
        let at = named.and_then(|name| Reference::read(&call.account, &call.region, &name));
        let row = at.and_then(|at| {
            let key = |name: &String| (at.account.clone(), at.region.clone(), name.clone());
            at.names.iter().find_map(|name| snapshot.get::<ParameterRow>(&key(name)))
        });
        for (key, value) in row.iter().flat_map(|row| row.tags.iter()) {
            for stem in ["aws:ResourceTag", "ssm:resourceTag"] {
                keys.push((format!("{stem}/{key}"), vec![value.clone()]));
            }
        }
        keys
    }
}
