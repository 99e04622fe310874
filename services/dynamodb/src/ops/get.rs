//! `GetItem`.

use std::sync::Arc;

use haar_dynamodb_contract::{GetItem, GetItemInput, GetItemOutput};
use haar_kernel::{Answer, Call, Flow};

use crate::Dynamodb;
use crate::capacity::Units;
use crate::convert::{self, to_wire};
use crate::requests::projected;
use crate::rules::value::item_size;

/// AWS docs: *Amazon DynamoDB API Reference > GetItem*.
impl Flow<GetItem> for Dynamodb {
    async fn flow(self: Arc<Self>, call: Call, input: GetItemInput) -> Answer<GetItem> {
        let table = self.serving(&call, &input.table_name)?;
        let projection = projected(
            input.projection_expression.as_deref(),
            input.expression_attribute_names,
            input.attributes_to_get.as_ref(),
        )?;
        let key = table.keys.of_key(convert::item(input.key)?)?;
        let item = self.engine.get(table.id, &key.bytes)?;
        let size = item.as_ref().map_or(0, item_size);
        let units = Units::of_read(size, input.consistent_read == Some(true));
        self.has_read(&table, &units)?;
        let item = match projection {
            Some(projection) => item.map(|item| projection.apply(item)),
            None => item,
        };
        Ok(GetItemOutput {
            item: item.map(to_wire),
            consumed_capacity: units.shown(&table, input.return_consumed_capacity),
        })
    }
}
