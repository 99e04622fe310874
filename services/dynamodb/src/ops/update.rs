//! `UpdateItem`.

use std::sync::Arc;

use haar_dynamodb_contract::{ReturnValue, UpdateItem, UpdateItemInput, UpdateItemOutput};
use haar_kernel::{Answer, Call, Flow};

use crate::Dynamodb;
use crate::convert::to_wire;
use crate::engine::Written;
use crate::orders::{Deed, Order};
use crate::render::collection_metrics;
use crate::requests::{self, ConditionInput, UpdateInput};
use crate::rules::expression::Projection;
use crate::rules::expression::path::Path;
use crate::rules::value::Item;

/// AWS docs: *Amazon DynamoDB API Reference > UpdateItem*.
impl Flow<UpdateItem> for Dynamodb {
    async fn flow(self: Arc<Self>, call: Call, input: UpdateItemInput) -> Answer<UpdateItem> {
        let table = self.serving(&call, &input.table_name)?;
        let condition = ConditionInput {
            expression: input.condition_expression,
            names: input.expression_attribute_names,
            values: input.expression_attribute_values,
            expected: input.expected,
            operator: input.conditional_operator,
            on_failure: input.return_values_on_condition_check_failure,
        };
        let update =
            UpdateInput { expression: input.update_expression, updates: input.attribute_updates };
        let mut order = requests::update(&table, input.key, update, condition)?;
        let (deed, head) = order.split();
        let returned = input.return_values.unwrap_or_default();
        let paths = changed_paths(&deed, returned);
        let decide = |_: &_, old: Option<&_>| Order::decide(deed, &head, old);
        let written = self.engine.write(&head.intent(), call.now, decide);
        let written = self.engine.settled(written).await?;
        self.has_written(&written.table, &written.units);
        let metrics = collection_metrics(&table, head.key, input.return_item_collection_metrics);
        let consumed = written.units.shown(&written.table, input.return_consumed_capacity);
        Ok(UpdateItemOutput {
            attributes: attributes(written, returned, &paths).map(to_wire),
            consumed_capacity: consumed,
            item_collection_metrics: metrics,
        })
    }
}

/// The paths that an update changes, where the caller wants to see them.
pub(crate) fn changed_paths(deed: &Deed, returned: ReturnValue) -> Vec<Path> {
    match (deed, returned) {
        (Deed::Update(clauses), ReturnValue::UpdatedOld | ReturnValue::UpdatedNew) => {
            clauses.iter().map(|clause| clause.path().clone()).collect()
        }
        _ => Vec::new(),
    }
}

/// What the caller is shown of the item.
pub(crate) fn attributes(written: Written, returned: ReturnValue, paths: &[Path]) -> Option<Item> {
    let cut = |item: Item| {
        let item = Projection::of(paths).apply(item);
        (!item.is_empty()).then_some(item)
    };
    match returned {
        ReturnValue::None => None,
        ReturnValue::AllOld => written.old,
        ReturnValue::AllNew => written.new,
        ReturnValue::UpdatedOld => written.old.and_then(cut),
        ReturnValue::UpdatedNew => written.new.and_then(cut),
    }
}
