//! What DynamoDB refuses, in its words.

use haar_dynamodb_contract::{
    ConditionalCheckFailedException, LimitExceededException, ResourceInUseException,
    ResourceNotFoundException,
};
use haar_kv::KvError;
use haar_ledger::LedgerError;
use haar_wire::AwsError;

use crate::convert::{WireItem, to_wire};
use crate::rules::value::Item;

/// A request that is wrong.
pub(crate) fn invalid(text: impl Into<String>) -> AwsError {
    AwsError::new("ValidationException", 400, text)
}

/// A parameter that is wrong.
pub(crate) fn invalid_parameter(text: impl std::fmt::Display) -> AwsError {
    invalid(format!("One or more parameter values were invalid: {text}"))
}

/// No such table, for operations on items; AWS does not name it.
pub(crate) fn no_table() -> AwsError {
    ResourceNotFoundException::message("Requested resource not found").into()
}

/// No such table, for operations on tables.
pub(crate) fn no_table_named(name: &str) -> AwsError {
    let text = format!("Requested resource not found: Table: {name} not found");
    ResourceNotFoundException::message(text).into()
}

/// No such table, stream or backup, by its ARN.
pub(crate) fn no_resource(arn: &str) -> AwsError {
    let text = format!("Requested resource not found: ResourcArn: {arn} not found");
    ResourceNotFoundException::message(text).into()
}

/// The table is not in the state for this.
pub(crate) fn in_use(text: impl Into<String>) -> AwsError {
    ResourceInUseException::message(text).into()
}

/// More than an account may have or do at a time.
pub(crate) fn limit(text: impl Into<String>) -> AwsError {
    LimitExceededException::message(text).into()
}

/// The condition does not hold; with the item where the caller wants it.
pub(crate) fn condition_failed(item: Option<Item>) -> AwsError {
    let message = Some("The conditional request failed".to_owned());
    ConditionalCheckFailedException { message, item: item.map(to_wire) }.into()
}

/// The store did not do as asked.
pub(crate) fn fault(error: &KvError) -> AwsError {
    tracing::error!(%error, "could not reach the items");
    internal(matches!(error, KvError::Full(_)))
}

/// A commit did not reach the disk.
pub(crate) fn unwritten(error: &LedgerError) -> AwsError {
    tracing::error!(%error, "a commit did not reach the disk");
    internal(matches!(error, LedgerError::Full))
}

fn internal(is_full: bool) -> AwsError {
    let text = match is_full {
        true => "Internal server error: the disk is full",
        false => "Internal server error",
    };
    AwsError::new("InternalServerError", 500, text)
}

/// The item that a failed condition is answered with.
pub(crate) fn failed_item(error: &AwsError) -> Option<WireItem> {
    let shape =
        error.shape().filter(|shape| shape.schema().name == "ConditionalCheckFailedException")?;
    let json = haar_wire::to_json(shape);
    let mut found = ConditionalCheckFailedException::default();
    haar_wire::from_json_into(json, &mut found).ok()?;
    found.item
}

/// Tables with replicas in other regions.
pub(crate) fn no_global_tables() -> AwsError {
    AwsError::new("NotImplemented", 501, "haar has no global tables")
}
