//! `ExecuteStatement`.

use std::sync::Arc;

use haar_dynamodb_contract::{
    ExecuteStatement, ExecuteStatementInput, ExecuteStatementOutput, ReturnValue,
    ReturnValuesOnConditionCheckFailure,
};
use haar_kernel::{Answer, Call, Flow};
use haar_wire::AwsError;

use super::select::{Paging, token_of};
use super::{read, worded};
use crate::Dynamodb;
use crate::convert::to_wire;
use crate::engine::Written;
use crate::ops::transact::digest;
use crate::ops::update::{attributes, changed_paths};
use crate::orders::Order;
use crate::rules::partiql::{Returning, Statement};
use crate::rules::value::Item;

/// AWS docs: *Amazon DynamoDB API Reference > ExecuteStatement*.
impl Flow<ExecuteStatement> for Dynamodb {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: ExecuteStatementInput,
    ) -> Answer<ExecuteStatement> {
        let asked = input.return_consumed_capacity;
        let said = ExecuteStatementInput {
            statement: input.statement,
            parameters: input.parameters,
            ..ExecuteStatementInput::default()
        };
        let digest = digest(&said);
        let statement = read(&said.statement, said.parameters)?;
        self.may_run(&call, &statement, None)?;
        if let Statement::Select(select) = statement {
            let paging = Paging {
                limit: input.limit,
                token: input.next_token,
                digest,
                is_consistent: input.consistent_read == Some(true),
            };
            let page = self.select(&call, select, paging)?;
            return Ok(ExecuteStatementOutput {
                items: Some(page.items.into_iter().map(to_wire).collect()),
                next_token: page.last.as_ref().map(|last| token_of(last, digest)),
                consumed_capacity: page.units.shown(&page.table, asked),
                last_evaluated_key: page.last.map(to_wire),
            });
        }
        let shows_failed = input.return_values_on_condition_check_failure
            == Some(ReturnValuesOnConditionCheckFailure::AllOld);
        let executed = self.execute(&call, statement, shows_failed);
        let (written, shown) = self.engine.settled(executed).await?;
        Ok(ExecuteStatementOutput {
            items: Some(shown.into_iter().map(to_wire).collect()),
            consumed_capacity: written.units.shown(&written.table, asked),
            ..ExecuteStatementOutput::default()
        })
    }
}

impl Dynamodb {
    /// Runs a statement that writes; answers what it returns. Not on disk yet.
    pub(super) fn execute(
        &self,
        call: &Call,
        statement: Statement,
        shows_failed: bool,
    ) -> Result<(Written, Option<Item>), AwsError> {
        let table = self.serving(call, statement.table())?;
        let is_insert = matches!(statement, Statement::Insert { .. });
        let returned = returned(&statement);
        let mut order = self.order_of(&table, statement)?;
        order.shows_failed = shows_failed;
        let (deed, head) = order.split();
        let paths = changed_paths(&deed, returned);
        let decide = |_: &_, old: Option<&Item>| Order::decide(deed, &head, old);
        let mut written = self
            .engine
            .write(&head.intent(), call.now, decide)
            .map_err(|error| worded(is_insert, error))?;
        self.has_written(&written.table, &written.units);
        let shown = Written {
            table: Arc::clone(&written.table),
            old: written.old.take(),
            new: written.new.take(),
            units: Default::default(),
        };
        let shown = attributes(shown, returned, &paths);
        Ok((written, shown))
    }
}

/// What comes back of the item that a statement changes.
pub(crate) fn returned(statement: &Statement) -> ReturnValue {
    let returning = match statement {
        Statement::Update { returning, .. } | Statement::Delete { returning, .. } => *returning,
        _ => None,
    };
    match returning {
        None => ReturnValue::None,
        Some(Returning { is_new: true, is_all: true }) => ReturnValue::AllNew,
        Some(Returning { is_new: false, is_all: true }) => ReturnValue::AllOld,
        Some(Returning { is_new: true, is_all: false }) => ReturnValue::UpdatedNew,
        Some(Returning { is_new: false, is_all: false }) => ReturnValue::UpdatedOld,
    }
}
