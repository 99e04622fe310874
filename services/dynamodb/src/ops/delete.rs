//! `DeleteItem`.

use std::sync::Arc;

use haar_dynamodb_contract::{DeleteItem, DeleteItemInput, DeleteItemOutput, ReturnValue};
use haar_kernel::{Answer, Call, Flow};

use crate::Dynamodb;
use crate::convert::to_wire;
use crate::orders::{Deed, Order};
use crate::refusal::invalid;
use crate::render::collection_metrics;
use crate::requests::{self, ConditionInput};

/// AWS docs: *Amazon DynamoDB API Reference > DeleteItem*.
impl Flow<DeleteItem> for Dynamodb {
    async fn flow(self: Arc<Self>, call: Call, input: DeleteItemInput) -> Answer<DeleteItem> {
        let returns_old = match input.return_values {
            None | Some(ReturnValue::None) => false,
            Some(ReturnValue::AllOld) => true,
            Some(_) => return Err(invalid("Return values set to invalid value")),
        };
        let table = self.serving(&call, &input.table_name)?;
        let condition = ConditionInput {
            expression: input.condition_expression,
            names: input.expression_attribute_names,
            values: input.expression_attribute_values,
            expected: input.expected,
            operator: input.conditional_operator,
            on_failure: input.return_values_on_condition_check_failure,
        };
        let mut order = requests::delete(&table, input.key, condition, Deed::Delete)?;
        let (deed, head) = order.split();
        let decide = |_: &_, old: Option<&_>| Order::decide(deed, &head, old);
        let written = self.engine.write(&head.intent(), call.now, decide);
        let written = self.engine.settled(written).await?;
        self.has_written(&written.table, &written.units);
        let metrics = collection_metrics(&table, head.key, input.return_item_collection_metrics);
        Ok(DeleteItemOutput {
            attributes: written.old.filter(|_| returns_old).map(to_wire),
            consumed_capacity: written.units.shown(&written.table, input.return_consumed_capacity),
            item_collection_metrics: metrics,
        })
    }
}
