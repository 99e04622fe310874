//! `BatchGetItem`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use haar_dynamodb_contract::{
    BatchGetItem, BatchGetItemInput, BatchGetItemOutput, KeysAndAttributes,
};
use haar_kernel::{Answer, Call, Flow};
use haar_wire::AwsError;

use super::Throttled;
use crate::Dynamodb;
use crate::capacity::Units;
use crate::convert::{self, WireItem, to_wire};
use crate::refusal::invalid;
use crate::requests::projected;
use crate::rules::expression::Projection;
use crate::rules::schema::PrimaryKey;
use crate::rules::value::item_size;
use crate::state::TableRow;

/// Keys of one call at most.
const KEYS_MAX: usize = 100;

/// Bytes of one answer at most; keys beyond come back unprocessed.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// What is asked of one table.
struct Wanted {
    name: String,
    table: Arc<TableRow>,
    keys: Vec<PrimaryKey>,
    projection: Option<Projection>,
    is_consistent: bool,
    asked: KeysAndAttributes,
}

/// AWS docs: *Amazon DynamoDB API Reference > BatchGetItem*.
impl Flow<BatchGetItem> for Dynamodb {
    async fn flow(self: Arc<Self>, call: Call, input: BatchGetItemInput) -> Answer<BatchGetItem> {
        let count: usize = input.request_items.values().map(|one| one.keys.len()).sum();
        if count > KEYS_MAX {
            return Err(invalid("Too many items requested for the BatchGetItem call"));
        }
        let mut all = Vec::new();
        for (name, asked) in input.request_items {
            all.push(self.wanted(&call, name, asked)?);
        }
        let (mut responses, mut consumed) = (BTreeMap::new(), Vec::new());
        let (mut unprocessed, mut bytes) = (BTreeMap::new(), 0);
        let mut throttled = Throttled::default();
        for wanted in all {
            let (items, left, units) = self.get_wanted(&wanted, &mut bytes, &mut throttled)?;
            consumed.extend(units.shown(&wanted.table, input.return_consumed_capacity));
            responses.insert(wanted.name.clone(), items);
            if !left.is_empty() {
                unprocessed.insert(wanted.name, KeysAndAttributes { keys: left, ..wanted.asked });
            }
        }
        throttled.check()?;
        Ok(BatchGetItemOutput {
            responses: Some(responses),
            unprocessed_keys: Some(unprocessed),
            consumed_capacity: (!consumed.is_empty()).then_some(consumed),
        })
    }
}

impl Dynamodb {
    fn wanted(
        &self,
        call: &Call,
        name: String,
        mut asked: KeysAndAttributes,
    ) -> Result<Wanted, AwsError> {
        let table = self.serving(call, &name)?;
        let projection = projected(
            asked.projection_expression.as_deref(),
            asked.expression_attribute_names.clone(),
            asked.attributes_to_get.as_ref(),
        )?;
        let mut keys = Vec::new();
        let mut seen = BTreeSet::new();
        for key in std::mem::take(&mut asked.keys) {
            let key = table.keys.of_key(convert::item(key)?)?;
            if !seen.insert(key.bytes.clone()) {
                return Err(invalid("Provided list of item keys contains duplicates"));
            }
            keys.push(key);
        }
        let is_consistent = asked.consistent_read == Some(true);
        Ok(Wanted { name, table, keys, projection, is_consistent, asked })
    }

    /// A table's items, and the keys for which no bytes, or no throughput, were left.
    fn get_wanted(
        &self,
        wanted: &Wanted,
        bytes: &mut usize,
        throttled: &mut Throttled,
    ) -> Result<(Vec<WireItem>, Vec<WireItem>, Units), AwsError> {
        let (mut items, mut left, mut units) = (Vec::new(), Vec::new(), Units::default());
        for key in &wanted.keys {
            if *bytes >= BYTES_MAX {
                left.push(to_wire(key.item.clone()));
                continue;
            }
            let item = self.engine.get(wanted.table.id, &key.bytes)?;
            let size = item.as_ref().map_or(0, item_size);
            *bytes += size;
            if *bytes > BYTES_MAX {
                left.push(to_wire(key.item.clone()));
                continue;
            }
            let read = Units::of_read(size, wanted.is_consistent);
            if !throttled.passed(self.has_read(&wanted.table, &read))? {
                left.push(to_wire(key.item.clone()));
                continue;
            }
            units.add(&read);
            let shown = item.map(|item| match &wanted.projection {
                Some(projection) => projection.apply(item),
                None => item,
            });
            items.extend(shown.map(to_wire));
        }
        Ok((items, left, units))
    }
}
