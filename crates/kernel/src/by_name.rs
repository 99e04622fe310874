//! Operations called by their names, with their inputs as JSON: for customers who say in a
//! document what is to be called.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haar_types::Region;
use haar_wire::{AwsError, Json, Kind, Member, OperationSchema, Schema, ServiceSchema};

use crate::{Doors, Principal};

impl Doors {
    /// An operation that a room here serves, by the names that SDKs give it: `sqs` and
    /// `sendMessage`, `eventbridge` and `putEvents`.
    pub fn operation(&self, service: &str, name: &str) -> Option<&'static OperationSchema> {
        let served = self.kernel().ok()?.served();
        served.into_iter().find(|operation| {
            is_service(operation.service, service) && is_same(operation.name, name)
        })
    }

    /// Whether the API model of a service has an operation, served here or not; `None` for a
    /// service that has no room here.
    pub fn has_operation(&self, service: &str, name: &str) -> Option<bool> {
        let served = self.kernel().ok()?.served();
        let mut found = served.into_iter().map(|operation| operation.service);
        let schema = found.find(|schema| is_service(schema, service))?;
        let listed = schema.operations.iter().any(|operation| is_same(operation.name, name));
        Some(listed || schema.unlisted.iter().any(|operation| is_same(operation.name, name)))
    }

    /// Calls such an operation as `principal`, through the same authorisation as a request from
    /// outside. The input has the members of the API model, whatever the case of their first
    /// letters; bytes are texts as they are.
    ///
    /// # Errors
    /// The operation's; what is wrong with the input, in the service's words.
    pub async fn call_named(
        &self,
        principal: Arc<Principal>,
        region: &Region,
        operation: &'static OperationSchema,
        input: Json,
    ) -> Result<Json, AwsError> {
        let input = adapted(input, operation.input);
        self.kernel()?.call_named(principal, region.clone(), operation, input).await
    }
}

/// A service under its SDKs' name: its id in small letters, without blanks.
fn is_service(schema: &ServiceSchema, given: &str) -> bool {
    schema.service_id.replace([' ', '-'], "").eq_ignore_ascii_case(given)
}

fn is_same(name: &str, given: &str) -> bool {
    let split = |text: &str| {
        let mut letters = text.chars();
        (letters.next().map(|letter| letter.to_ascii_lowercase()), letters.as_str().to_owned())
    };
    split(name) == split(given)
}

/// Members under their names on the wire, bytes in base64.
fn adapted(value: Json, schema: &Schema) -> Json {
    match (schema.kind, value) {
        (Kind::Structure(structure), Json::Object(given)) => {
            let named = |(name, value): (String, Json)| {
                let is_it = |member: &&Member| is_same(member.name, &name) || member.wire == name;
                match structure.members.iter().find(is_it) {
                    Some(member) => (member.wire.to_owned(), adapted(value, member.schema)),
                    None => (name, value),
                }
            };
            Json::Object(given.into_iter().map(named).collect())
        }
        (Kind::List(list), Json::Array(items)) => {
            Json::Array(items.into_iter().map(|item| adapted(item, list.item.schema)).collect())
        }
        (Kind::Map(map), Json::Object(given)) => {
            let each = |(key, value): (String, Json)| (key, adapted(value, map.value.schema));
            Json::Object(given.into_iter().map(each).collect())
        }
        (Kind::Blob | Kind::Stream, Json::String(text)) => Json::String(STANDARD.encode(text)),
        (_, value) => value,
    }
}
