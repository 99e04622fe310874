//! `ExecuteTransaction`.

use std::sync::Arc;

use haar_dynamodb_contract::{
    ExecuteTransaction, ExecuteTransactionInput, ExecuteTransactionOutput, ItemResponse,
    ReturnValuesOnConditionCheckFailure,
};
use haar_kernel::{Answer, Call, Flow};
use haar_wire::AwsError;

use super::{no_key, read, worded};
use crate::Dynamodb;
use crate::capacity::{Direction, Units};
use crate::convert::to_wire;
use crate::engine::{Outcome, Token};
use crate::ops::transact::{cancelled, check_distinct, digest, items_of, repeated};
use crate::refusal::invalid;
use crate::rules::expression::Projection;
use crate::rules::partiql::{Select, Statement, exact_key};
use crate::rules::value::item_size;

/// AWS docs: *Amazon DynamoDB API Reference > ExecuteTransaction*.
impl Flow<ExecuteTransaction> for Dynamodb {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        mut input: ExecuteTransactionInput,
    ) -> Answer<ExecuteTransaction> {
        let token = input.client_request_token.take();
        let digest = digest(&input);
        let asked = input.return_consumed_capacity;
        let (mut reads, mut writes) = (Vec::new(), Vec::new());
        for one in input.transact_statements {
            let statement = read(&one.statement, one.parameters)?;
            self.may_run(&call, &statement, Some("ExecuteTransaction"))?;
            let shows_failed = one.return_values_on_condition_check_failure
                == Some(ReturnValuesOnConditionCheckFailure::AllOld);
            match statement {
                Statement::Select(select) => reads.push(select),
                other => writes.push((other, shows_failed)),
            }
        }
        if writes.is_empty() {
            return self.read_all(&call, reads, |found| {
                self.used_by_table(found.into_iter(), Direction::Read, asked)
            });
        }
        if !reads.is_empty() {
            return Err(invalid("ExecuteTransaction cannot mix read and write statements"));
        }
        let mut orders = Vec::new();
        let mut inserts = Vec::new();
        for (statement, shows_failed) in writes {
            let table = self.serving(&call, statement.table())?;
            inserts.push(matches!(statement, Statement::Insert { .. }));
            let mut order = self.order_of(&table, statement)?;
            order.shows_failed = shows_failed;
            orders.push(order);
        }
        check_distinct(&orders)?;
        let count = orders.len();
        let token = token.as_deref().map(|text| Token {
            account: &call.account,
            region: &call.region,
            text,
            digest,
        });
        let items = token.as_ref().map(|_| items_of(&orders)).unwrap_or_default();
        let outcome = self.engine.transact(orders, token, call.now);
        let consumed_capacity = match self.engine.settled(outcome).await? {
            Outcome::Done(done) => {
                let units = done.into_iter().map(|written| (written.table, written.units));
                self.used_by_table(units, Direction::Write, asked)
            }
            Outcome::Cancelled(reasons) => {
                let worded = |(error, is_insert): (Option<AwsError>, bool)| {
                    error.map(|error| worded(is_insert, error))
                };
                return Err(cancelled(reasons.into_iter().zip(inserts).map(worded).collect()));
            }
            Outcome::Mismatch => return Err(repeated()),
            Outcome::Repeated => self.used_by_replay(&items, call.now, asked),
        };
        Ok(ExecuteTransactionOutput {
            responses: Some(vec![ItemResponse::default(); count]),
            consumed_capacity,
        })
    }
}

impl Dynamodb {
    fn read_all(
        &self,
        call: &Call,
        all: Vec<Select>,
        used: impl FnOnce(
            Vec<(Arc<crate::state::TableRow>, Units)>,
        ) -> Option<Vec<haar_dynamodb_contract::ConsumedCapacity>>,
    ) -> Answer<ExecuteTransaction> {
        let (mut wanted, mut asked) = (Vec::new(), Vec::new());
        for select in all {
            let table = self.serving(call, &select.table)?;
            let condition = select.condition.ok_or_else(no_key)?;
            let keyed = exact_key(condition, &table.keys).ok_or_else(no_key)?;
            wanted.push((table.key.clone(), table.keys.of_key(keyed.key)?));
            asked.push((keyed.rest, select.paths.map(|paths| Projection::of(&paths))));
        }
        let found = self.engine.get_all(&wanted, call.now)?.map_err(cancelled)?;
        let units = found.iter().map(|(table, item)| {
            let size = item.as_ref().map_or(0, item_size);
            (Arc::clone(table), Units::of_read(size, true))
        });
        let consumed_capacity = used(units.collect());
        let shown = found.into_iter().zip(asked).map(|((_, item), (rest, projection))| {
            let item = item.filter(|item| rest.as_ref().is_none_or(|rest| rest.holds(item)));
            let item = item.map(|item| match &projection {
                Some(projection) => projection.apply(item),
                None => item,
            });
            ItemResponse { item: item.map(to_wire) }
        });
        Ok(ExecuteTransactionOutput { responses: Some(shown.collect()), consumed_capacity })
    }
}
