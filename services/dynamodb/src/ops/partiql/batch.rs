//! `BatchExecuteStatement`.

use std::sync::Arc;

use haar_dynamodb_contract::{
    BatchExecuteStatement, BatchExecuteStatementInput, BatchExecuteStatementOutput,
    BatchStatementError, BatchStatementErrorCodeEnum, BatchStatementRequest,
    BatchStatementResponse, ReturnValuesOnConditionCheckFailure,
};
use haar_kernel::{Answer, Call, Flow};
use haar_wire::AwsError;

use super::read;
use super::select::Paging;
use crate::Dynamodb;
use crate::capacity::Units;
use crate::convert::to_wire;
use crate::refusal::{failed_item, invalid};
use crate::rules::partiql::{Statement, exact_key};
use crate::rules::value::Item;
use crate::state::TableRow;

/// What one statement came to.
type Done = (Arc<TableRow>, Option<Item>, Units);

/// AWS docs: *Amazon DynamoDB API Reference > BatchExecuteStatement*.
impl Flow<BatchExecuteStatement> for Dynamodb {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: BatchExecuteStatementInput,
    ) -> Answer<BatchExecuteStatement> {
        check_kinds(&input.statements)?;
        let (mut responses, mut consumed) = (Vec::new(), Vec::new());
        for request in input.statements {
            match self.run_one(&call, request) {
                Ok((table, item, units)) => {
                    consumed.extend(units.shown(&table, input.return_consumed_capacity));
                    responses.push(BatchStatementResponse {
                        error: None,
                        table_name: Some(table.name().to_owned()),
                        item: item.map(to_wire),
                    });
                }
                Err(error) if error.name() == "AccessDeniedException" => {
                    return self.engine.settled(Err(error)).await;
                }
                Err(error) => responses.push(failure(&error)),
            }
        }
        self.engine.sync().await?;
        Ok(BatchExecuteStatementOutput {
            responses: Some(responses),
            consumed_capacity: (!consumed.is_empty()).then_some(consumed),
        })
    }
}

impl Dynamodb {
    fn run_one(&self, call: &Call, request: BatchStatementRequest) -> Result<Done, AwsError> {
        let statement = read(&request.statement, request.parameters)?;
        self.may_run(call, &statement, None)?;
        let shows_failed = request.return_values_on_condition_check_failure
            == Some(ReturnValuesOnConditionCheckFailure::AllOld);
        let Statement::Select(select) = statement else {
            let (written, shown) = self.execute(call, statement, shows_failed)?;
            return Ok((written.table, shown, written.units));
        };
        let table = self.serving(call, &select.table)?;
        let condition = select.condition.clone();
        if condition.and_then(|condition| exact_key(condition, &table.keys)).is_none() {
            return Err(invalid(
                "Select statements within BatchExecuteStatement must specify the primary key in \
                 the where clause.",
            ));
        }
        let is_consistent = request.consistent_read == Some(true);
        let page = self.select(call, select, Paging { is_consistent, ..Paging::default() })?;
        Ok((page.table, page.items.into_iter().next(), page.units))
    }
}

/// A batch reads or writes; what cannot be read is told by itself.
fn check_kinds(all: &[BatchStatementRequest]) -> Result<(), AwsError> {
    let is_read =
        |one: &&BatchStatementRequest| read(&one.statement, one.parameters.clone()).is_ok();
    let all: Vec<_> = all.iter().filter(is_read).collect();
    let reads = |one: &&&BatchStatementRequest| {
        one.statement.trim_start().get(..6).is_some_and(|it| it.eq_ignore_ascii_case("SELECT"))
    };
    let count = all.iter().filter(reads).count();
    match count == 0 || count == all.len() {
        true => Ok(()),
        false => Err(invalid(
            "BatchExecuteStatement does not support both read and write statements in the same \
             batch",
        )),
    }
}

fn failure(error: &AwsError) -> BatchStatementResponse {
    use BatchStatementErrorCodeEnum as Code;
    let code = match error.name() {
        "ConditionalCheckFailedException" => Code::ConditionalCheckFailed,
        "DuplicateItemException" => Code::DuplicateItem,
        "ProvisionedThroughputExceededException" => Code::ProvisionedThroughputExceeded,
        "ThrottlingException" => Code::ThrottlingError,
        "ResourceNotFoundException" => Code::ResourceNotFound,
        "InternalServerError" => Code::InternalServerError,
        _ => Code::ValidationError,
    };
    BatchStatementResponse {
        error: Some(BatchStatementError {
            code: Some(code),
            message: Some(error.message().to_owned()),
            item: failed_item(error),
        }),
        ..BatchStatementResponse::default()
    }
}
