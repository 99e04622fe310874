//! `TransactWriteItems`.

use std::collections::BTreeSet;
use std::sync::Arc;

use haar_dynamodb_contract::{
    CancellationReason, IdempotentParameterMismatchException, TransactWriteItem,
    TransactWriteItems, TransactWriteItemsInput, TransactWriteItemsOutput,
    TransactionCanceledException,
};
use haar_kernel::{Answer, Auth, Call, Flow};
use haar_wire::{AwsError, Shape, to_json};

use crate::Dynamodb;
use crate::capacity::Direction;
use crate::convert::WireItem;
use crate::engine::{Outcome, Token};
use crate::orders::{Deed, Order};
use crate::refusal::invalid;
use crate::render::Collections;
use crate::requests::{self, ConditionInput, UpdateInput};
use crate::rules::schema::PrimaryKey;
use crate::state::TableKey;

/// AWS docs: *Amazon DynamoDB API Reference > TransactWriteItems*.
impl Flow<TransactWriteItems> for Dynamodb {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        mut input: TransactWriteItemsInput,
    ) -> Answer<TransactWriteItems> {
        let text = input.client_request_token.take();
        let digest = text.as_ref().map(|_| digest(&input)).unwrap_or_default();
        let mut orders = Vec::new();
        for item in input.transact_items {
            self.may_write(&call, &item)?;
            orders.push(self.order(&call, item)?);
        }
        check_distinct(&orders)?;
        let token = text.as_deref().map(|text| Token {
            account: &call.account,
            region: &call.region,
            text,
            digest,
        });
        let asked = input.return_item_collection_metrics;
        let mut collections = Collections::default();
        for order in &orders {
            let table = self.engine.table(&order.table)?;
            collections.add(&order.table.2, &table, &order.key, asked);
        }
        let asked = input.return_consumed_capacity;
        let items = token.as_ref().map(|_| items_of(&orders)).unwrap_or_default();
        let outcome = self.engine.transact(orders, token, call.now);
        let consumed_capacity = match self.engine.settled(outcome).await? {
            Outcome::Done(done) => {
                let units = done.into_iter().map(|written| (written.table, written.units));
                self.used_by_table(units, Direction::Write, asked)
            }
            Outcome::Cancelled(reasons) => return Err(cancelled(reasons)),
            Outcome::Mismatch => return Err(repeated()),
            Outcome::Repeated => self.used_by_replay(&items, call.now, asked),
        };
        Ok(TransactWriteItemsOutput {
            consumed_capacity,
            item_collection_metrics: collections.shown(),
        })
    }
}

/// The items that orders are about.
pub(crate) fn items_of(orders: &[Order]) -> Vec<(TableKey, PrimaryKey)> {
    orders.iter().map(|order| (order.table.clone(), order.key.clone())).collect()
}

/// Tells requests apart that come with one token.
pub(crate) fn digest(input: &dyn Shape) -> u64 {
    to_json(input).to_string().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A token came with another request.
pub(crate) fn repeated() -> AwsError {
    let text = "An error occurred (IdempotentParameterMismatchException): The request uses the \
                same client token as a previous, but non-identical request. Do not reuse a client \
                token with different requests, unless the requests are identical";
    IdempotentParameterMismatchException::message(text).into()
}

/// Nothing was done; the reasons stand in the order of the request.
pub(crate) fn cancelled(reasons: Vec<Option<AwsError>>) -> AwsError {
    let reasons: Vec<CancellationReason> = reasons.into_iter().map(reason).collect();
    let codes: Vec<&str> =
        reasons.iter().map(|reason| reason.code.as_deref().unwrap_or("None")).collect();
    let message = format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", ")
    );
    TransactionCanceledException { message: Some(message), cancellation_reasons: Some(reasons) }
        .into()
}

fn reason(error: Option<AwsError>) -> CancellationReason {
    let Some(error) = error else {
        return CancellationReason { code: Some("None".to_owned()), ..Default::default() };
    };
    let code = match error.name() {
        "ConditionalCheckFailedException" => "ConditionalCheckFailed",
        "DuplicateItemException" => "DuplicateItem",
        "ProvisionedThroughputExceededException" => "ProvisionedThroughputExceeded",
        "ThrottlingException" => "ThrottlingError",
        _ => "ValidationError",
    };
    CancellationReason {
        code: Some(code.to_owned()),
        message: Some(error.message().to_owned()),
        item: crate::refusal::failed_item(&error),
    }
}

/// One item, one deed.
pub(crate) fn check_distinct(orders: &[Order]) -> Result<(), AwsError> {
    let mut seen = BTreeSet::new();
    match orders.iter().all(|order| seen.insert((&order.table, &order.key.bytes))) {
        true => Ok(()),
        false => Err(invalid("Transaction request cannot include multiple operations on one item")),
    }
}

impl Dynamodb {
    /// Each item needs the permission of its own deed.
    fn may_write(&self, call: &Call, item: &TransactWriteItem) -> Result<(), AwsError> {
        let (action, part, table): (_, &dyn Shape, _) = match item {
            TransactWriteItem { condition_check: Some(part), .. } => {
                ("dynamodb:ConditionCheckItem", part, &part.table_name)
            }
            TransactWriteItem { put: Some(part), .. } => {
                ("dynamodb:PutItem", part, &part.table_name)
            }
            TransactWriteItem { delete: Some(part), .. } => {
                ("dynamodb:DeleteItem", part, &part.table_name)
            }
            TransactWriteItem { update: Some(part), .. } => {
                ("dynamodb:UpdateItem", part, &part.table_name)
            }
            _ => return Ok(()),
        };
        if self.doors.settings.auth == Auth::Permissive {
            return Ok(());
        }
        let table = self.serving(call, table)?;
        self.may(call, (action, "TransactWriteItems"), &table, &to_json(part))
    }

    fn order(&self, call: &Call, item: TransactWriteItem) -> Result<Order, AwsError> {
        match (item.condition_check, item.put, item.delete, item.update) {
            (Some(check), None, None, None) => {
                let table = self.serving(call, &check.table_name)?;
                let condition = ConditionInput {
                    expression: Some(check.condition_expression),
                    names: check.expression_attribute_names,
                    values: check.expression_attribute_values,
                    on_failure: check.return_values_on_condition_check_failure,
                    ..ConditionInput::default()
                };
                requests::delete(&table, check.key, condition, Deed::Check)
            }
            (None, Some(put), None, None) => {
                let table = self.serving(call, &put.table_name)?;
                let condition = ConditionInput {
                    expression: put.condition_expression,
                    names: put.expression_attribute_names,
                    values: put.expression_attribute_values,
                    on_failure: put.return_values_on_condition_check_failure,
                    ..ConditionInput::default()
                };
                requests::put(&table, put.item, condition)
            }
            (None, None, Some(delete), None) => {
                let table = self.serving(call, &delete.table_name)?;
                let condition = ConditionInput {
                    expression: delete.condition_expression,
                    names: delete.expression_attribute_names,
                    values: delete.expression_attribute_values,
                    on_failure: delete.return_values_on_condition_check_failure,
                    ..ConditionInput::default()
                };
                requests::delete(&table, delete.key, condition, Deed::Delete)
            }
            (None, None, None, Some(update)) => {
                let table = self.serving(call, &update.table_name)?;
                let condition = ConditionInput {
                    expression: update.condition_expression,
                    names: update.expression_attribute_names,
                    values: update.expression_attribute_values,
                    on_failure: update.return_values_on_condition_check_failure,
                    ..ConditionInput::default()
                };
                let how = UpdateInput { expression: Some(update.update_expression), updates: None };
                let key: WireItem = update.key;
                requests::update(&table, key, how, condition)
            }
            _ => Err(invalid("TransactItems can only contain one of Check, Put, Update or Delete")),
        }
    }
}
