//! What the gate must know: which tables and indexes a call is about, their policies and tags,
//! and the partitions and attributes that it names. AWS docs: *Service Authorization Reference >
//! Amazon DynamoDB*.

mod keys;
mod statements;

use std::sync::Arc;

use haar_dynamodb_contract::model::SERVICE;
use haar_kernel::{Auth, Call, Question, Room, resource_tags};
use haar_ledger::Snapshot;
use haar_policy::{Document, Grammar};
use haar_wire::{AwsError, Body, Json, OperationSchema, ServiceSchema, Shape, text_member};

use crate::Dynamodb;
use crate::lookup::{arn_key, table_key};
use crate::rules::partiql::Statement;
use crate::state::TableRow;

/// The CRC-32 of an answer's body, in decimal.
const CHECKSUM: http::HeaderName = http::HeaderName::from_static("x-amz-crc32");

/// The ARN of a table that a request names.
fn table_arn(call: &Call, named: &str) -> String {
    match table_key(call, named) {
        Ok((account, region, name)) => format!("arn:aws:dynamodb:{region}:{account}:table/{name}"),
        Err(_) => named.to_owned(),
    }
}

impl Room for Dynamodb {
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
        match operation.name {
            "BatchGetItem" | "BatchWriteItem" => {
                let json = haar_wire::to_json(input);
                let tables = json["RequestItems"].as_object();
                tables.into_iter().flatten().map(|(name, _)| table_arn(call, name)).collect()
            }
            "ImportTable" => {
                let json = haar_wire::to_json(input);
                let name = json["TableCreationParameters"]["TableName"].as_str();
                vec![table_arn(call, name.unwrap_or_default())]
            }
            "Query" | "Scan" => {
                let table = text_member(input, "TableName").unwrap_or_default();
                let arn = table_arn(call, &table);
                vec![match text_member(input, "IndexName") {
                    Some(index) => format!("{arn}/index/{index}"),
                    None => arn,
                }]
            }
            _ => vec![haar_kernel::resource_of(operation, call, input)],
        }
    }

    fn resource_policy(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Option<Arc<Document>> {
        policy_of(snapshot, resource)
    }

    fn condition_keys(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<(String, Vec<String>)> {
        keys::of_call(call, snapshot, operation, input)
    }

    fn resource_keys(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Vec<(String, Vec<String>)> {
        let row = arn_key(resource).and_then(|key| snapshot.get::<TableRow>(&key));
        let tags = row.iter().flat_map(|row| row.tags.iter());
        resource_tags(tags)
    }

    /// Statements and the items of transactions are asked for one by one.
    fn asks_itself(&self, operation: &'static OperationSchema) -> bool {
        operation.action.is_empty()
    }

    /// Clients compare the checksum of what they got.
    fn finish(&self, answer: &mut http::Response<Body>) {
        let sum = answer.body().as_bytes().map(|bytes| crc32fast::hash(bytes));
        if let Some(sum) = sum {
            answer.headers_mut().insert(CHECKSUM, http::HeaderValue::from(sum));
        }
    }
}

fn policy_of(snapshot: &Snapshot, resource: &str) -> Option<Arc<Document>> {
    let row = snapshot.get::<TableRow>(&arn_key(resource)?)?;
    let text = &row.policy.as_ref()?.document;
    Document::parse(text, Grammar::Resource).ok().map(Arc::new)
}

impl Dynamodb {
    /// Weighs one item of a transaction; `part` is its part of the input.
    pub(crate) fn may(
        &self,
        call: &Call,
        (action, within): (&str, &str),
        table: &TableRow,
        part: &Json,
    ) -> Result<(), AwsError> {
        let mut keys = keys::of_item(table, part);
        if action == "dynamodb:GetItem" {
            keys.push((keys::SELECT.to_owned(), vec![keys::selected(part).to_owned()]));
        }
        keys.push(enclosed(within));
        self.weigh(call, action, &table.arn(), keys)
    }

    /// Weighs one PartiQL statement, maybe within a transaction.
    pub(crate) fn may_run(
        &self,
        call: &Call,
        statement: &Statement,
        within: Option<&str>,
    ) -> Result<(), AwsError> {
        if self.doors.settings.auth == Auth::Permissive {
            return Ok(());
        }
        let table = self.serving(call, statement.table())?;
        let mut keys = statements::keys(&table, statement);
        keys.extend(within.map(enclosed));
        self.weigh(call, statement.action(), &statements::resource(&table, statement), keys)
    }

    fn weigh(
        &self,
        call: &Call,
        action: &str,
        resource: &str,
        mut keys: Vec<keys::Key>,
    ) -> Result<(), AwsError> {
        self.doors.note(call, action)?;
        let snapshot = self.doors.ledger.snapshot();
        keys.extend(self.resource_keys(call, &snapshot, resource));
        let policy = policy_of(&snapshot, resource);
        self.doors.authorise(call, &Question { action, resource, policy, keys: &keys })
    }
}

/// The transaction that an item's permission is asked within.
fn enclosed(within: &str) -> keys::Key {
    ("dynamodb:EnclosingOperation".to_owned(), vec![within.to_owned()])
}
