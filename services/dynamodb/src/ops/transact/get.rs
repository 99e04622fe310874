//! `TransactGetItems`.

use std::sync::Arc;

use haar_dynamodb_contract::{
    ItemResponse, TransactGetItems, TransactGetItemsInput, TransactGetItemsOutput,
};
use haar_kernel::{Answer, Auth, Call, Flow};
use haar_wire::to_json;

use super::write::cancelled;
use crate::Dynamodb;
use crate::capacity::{Direction, Units};
use crate::convert::{self, to_wire};
use crate::requests::projected;
use crate::rules::value::item_size;

/// AWS docs: *Amazon DynamoDB API Reference > TransactGetItems*.
impl Flow<TransactGetItems> for Dynamodb {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: TransactGetItemsInput,
    ) -> Answer<TransactGetItems> {
        let (mut wanted, mut projections) = (Vec::new(), Vec::new());
        for item in input.transact_items {
            let get = item.get;
            let table = self.serving(&call, &get.table_name)?;
            if self.doors.settings.auth != Auth::Permissive {
                let action = ("dynamodb:GetItem", "TransactGetItems");
                self.may(&call, action, &table, &to_json(&get))?;
            }
            let names = get.expression_attribute_names;
            projections.push(projected(get.projection_expression.as_deref(), names, None)?);
            wanted.push((table.key.clone(), table.keys.of_key(convert::item(get.key)?)?));
        }
        let found = self.engine.get_all(&wanted, call.now)?.map_err(cancelled)?;
        let units = found.iter().map(|(table, item)| {
            let size = item.as_ref().map_or(0, item_size);
            // two units of one read each, consistent by nature
            (Arc::clone(table), Units::of_read(size, true))
        });
        let asked = input.return_consumed_capacity;
        let consumed_capacity = self.used_by_table(units, Direction::Read, asked);
        let shown = found.into_iter().zip(projections).map(|((_, item), projection)| {
            let item = item.map(|item| match projection {
                Some(projection) => projection.apply(item),
                None => item,
            });
            ItemResponse { item: item.map(to_wire) }
        });
        Ok(TransactGetItemsOutput { responses: Some(shown.collect()), consumed_capacity })
    }
}
