//! `BatchWriteItem`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use haar_dynamodb_contract::{
    BatchWriteItem, BatchWriteItemInput, BatchWriteItemOutput, DeleteRequest, PutRequest,
    WriteRequest,
};
use haar_kernel::{Answer, Call, Flow};
use haar_wire::AwsError;

use super::Throttled;
use crate::Dynamodb;
use crate::capacity::Units;
use crate::convert::to_wire;
use crate::engine;
use crate::orders::{Deed, Order};
use crate::refusal::invalid;
use crate::render::Collections;
use crate::requests::{self, ConditionInput};
use crate::state::TableRow;

/// Requests of one call at most.
const REQUESTS_MAX: usize = 25;

/// AWS docs: *Amazon DynamoDB API Reference > BatchWriteItem*.
impl Flow<BatchWriteItem> for Dynamodb {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: BatchWriteItemInput,
    ) -> Answer<BatchWriteItem> {
        let count: usize = input.request_items.values().map(Vec::len).sum();
        if count > REQUESTS_MAX {
            return Err(invalid("Too many items requested for the BatchWriteItem call"));
        }
        let mut all = Vec::new();
        for (name, asked) in input.request_items {
            let table = self.serving(&call, &name)?;
            let orders = orders(&table, asked)?;
            all.push((name, table, orders));
        }
        let mut collections = Collections::default();
        let asked_sizes = input.return_item_collection_metrics;
        let (mut consumed, mut unprocessed) = (Vec::new(), BTreeMap::new());
        let mut throttled = Throttled::default();
        for (name, table, orders) in all {
            let mut units = Units::default();
            for mut order in orders {
                let again = request_of(&order);
                let (deed, head) = order.split();
                let decide = |_: &TableRow, old: Option<&_>| Order::decide(deed, &head, old);
                let written = self.engine.write(&head.intent(), call.now, decide);
                let passed = match throttled.passed_with(written) {
                    Ok(passed) => passed,
                    Err(refused) => return self.engine.settled(Err(refused)).await,
                };
                let Some(written) = passed else {
                    unprocessed.entry(name.clone()).or_insert_with(Vec::new).push(again);
                    continue;
                };
                units.add(&written.units);
                collections.add(&name, &table, head.key, asked_sizes);
            }
            self.has_written(&table, &units);
            consumed.extend(units.shown(&table, input.return_consumed_capacity));
        }
        self.engine.settled(throttled.check()).await?;
        Ok(BatchWriteItemOutput {
            unprocessed_items: Some(unprocessed),
            item_collection_metrics: collections.shown(),
            consumed_capacity: (!consumed.is_empty()).then_some(consumed),
        })
    }
}

/// An order as the customer sends it, for one who has to send it again.
fn request_of(order: &Order) -> WriteRequest {
    match &order.deed {
        Deed::Put(item) => WriteRequest {
            put_request: Some(PutRequest { item: to_wire(item.clone()) }),
            delete_request: None,
        },
        _ => WriteRequest {
            put_request: None,
            delete_request: Some(DeleteRequest { key: to_wire(order.key.item.clone()) }),
        },
    }
}

/// All requests of a table are looked at before any is carried out.
fn orders(table: &TableRow, asked: Vec<WriteRequest>) -> Result<Vec<Order>, AwsError> {
    let mut orders = Vec::new();
    let mut seen = BTreeSet::new();
    for request in asked {
        let none = ConditionInput::default();
        let order = match (request.put_request, request.delete_request) {
            (Some(put), None) => requests::put(table, put.item, none)?,
            (None, Some(delete)) => requests::delete(table, delete.key, none, Deed::Delete)?,
            _ => {
                return Err(invalid(
                    "Supplied WriteRequest must contain exactly one of PutRequest and \
                     DeleteRequest",
                ));
            }
        };
        if let Deed::Put(item) = &order.deed {
            engine::check(table, item)?;
        }
        if !seen.insert(order.key.bytes.clone()) {
            return Err(invalid("Provided list of item keys contains duplicates"));
        }
        orders.push(order);
    }
    Ok(orders)
}
