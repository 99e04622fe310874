//! Condition keys of calls: `dynamodb:LeadingKeys`, `dynamodb:Attributes` and their kin. AWS docs:
//! *Developer Guide > Using IAM policy conditions for fine-grained access control*.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use haar_dynamodb_contract::{AttributeValue, QueryInput};
use haar_kernel::{Call, request_tags};
use haar_ledger::Snapshot;
use haar_wire::{Json, OperationSchema, Shape, from_json_into, text_member};

use crate::convert;
use crate::lookup::table_key;
use crate::rules::expression::Placeholders;
use crate::rules::key_condition;
use crate::rules::legacy;
use crate::rules::value::Attr;
use crate::state::TableRow;

/// A condition key with its values.
pub(super) type Key = (String, Vec<String>);

/// The keys of a call.
pub(super) fn of_call(
    call: &Call,
    snapshot: &Snapshot,
    operation: &'static OperationSchema,
    input: &dyn Shape,
) -> Vec<Key> {
    let json = haar_wire::to_json(input);
    let table =
        |named: &str| table_key(call, named).ok().and_then(|key| snapshot.get::<TableRow>(&key));
    let mut keys = Vec::new();
    if let Some(row) = text_member(input, "TableName").and_then(|name| table(&name)) {
        keys = of_item(&row, &json);
        if operation.name == "Query" {
            keys.push((LEADING.to_owned(), queried(&row, &json).into_iter().collect()));
        }
    }
    if let Some(tables) = json["RequestItems"].as_object() {
        let rows = tables.iter().filter_map(|(name, asked)| Some((table(name)?, asked)));
        keys = of_batch(rows, operation.name == "BatchGetItem");
    }
    if operation.name == "Scan" {
        keys.push((FULL_SCAN.to_owned(), vec!["true".to_owned()]));
    }
    if matches!(operation.name, "GetItem" | "Query" | "Scan") {
        keys.push((SELECT.to_owned(), vec![selected(&json).to_owned()]));
    }
    for (member, key) in
        [("ReturnValues", RETURNED), ("ReturnConsumedCapacity", "dynamodb:ReturnConsumedCapacity")]
    {
        keys.extend(json[member].as_str().map(|text| (key.to_owned(), vec![text.to_owned()])));
    }
    keys.extend(request_tags(&json["Tags"], &json["TagKeys"]));
    keys.retain(|(_, values)| !values.is_empty());
    keys
}

pub(super) const LEADING: &str = "dynamodb:LeadingKeys";
pub(super) const ATTRIBUTES: &str = "dynamodb:Attributes";
pub(super) const SELECT: &str = "dynamodb:Select";
pub(super) const RETURNED: &str = "dynamodb:ReturnValues";
pub(super) const FULL_SCAN: &str = "dynamodb:FullTableScan";

/// `dynamodb:Select` of a call that returns whole items.
pub(super) const ALL: &str = "ALL_ATTRIBUTES";
/// `dynamodb:Select` of a call that names what it returns.
pub(super) const SPECIFIC: &str = "SPECIFIC_ATTRIBUTES";
/// `dynamodb:Select` of a call that returns what an index holds.
pub(super) const PROJECTED: &str = "ALL_PROJECTED_ATTRIBUTES";

/// What a read returns: as it says, else as its other parameters imply. AWS docs: *API Reference >
/// Query*, Select.
pub(super) fn selected(part: &Json) -> &str {
    let names_some = !part["ProjectionExpression"].is_null()
        || part["AttributesToGet"].as_array().is_some_and(|names| !names.is_empty());
    match part["Select"].as_str() {
        Some(said) => said,
        None if names_some => SPECIFIC,
        None if !part["IndexName"].is_null() => PROJECTED,
        None => ALL,
    }
}

/// What a batch says of partitions and attributes, in all of its tables. One table of which whole
/// items are read makes it a call that returns whole items.
fn of_batch<'j>(
    tables: impl Iterator<Item = (Arc<TableRow>, &'j Json)>,
    is_read: bool,
) -> Vec<Key> {
    let (mut leading, mut named) = (BTreeSet::new(), BTreeSet::new());
    let mut select = SPECIFIC;
    for (row, asked) in tables {
        leading.extend(parts(asked).flat_map(|part| leading_of(&row, part)));
        named.extend(attributes(asked));
        for part in parts(asked) {
            named.extend(attributes(part));
        }
        let keys = asked["Keys"].as_array().into_iter().flatten();
        named.extend(keys.flat_map(|key| key.as_object().into_iter().flatten()).map(named_by));
        if selected(asked) == ALL {
            select = ALL;
        }
    }
    let mut keys: Vec<Key> = vec![
        (LEADING.to_owned(), leading.into_iter().collect()),
        (ATTRIBUTES.to_owned(), named.into_iter().collect()),
    ];
    if is_read {
        keys.push((SELECT.to_owned(), vec![select.to_owned()]));
    }
    keys
}

fn named_by((name, _): (&String, &Json)) -> String {
    name.clone()
}

/// What one item's part of an input says of partitions and attributes.
pub(super) fn of_item(table: &TableRow, part: &Json) -> Vec<Key> {
    let leading = leading_of(table, part).into_iter().collect();
    let attributes = attributes(part).into_iter().collect();
    let mut keys: Vec<Key> =
        vec![(LEADING.to_owned(), leading), (ATTRIBUTES.to_owned(), attributes)];
    keys.retain(|(_, values)| !values.is_empty());
    keys
}

/// The parts of a batch that have a key each.
fn parts(asked: &Json) -> impl Iterator<Item = &Json> {
    let keys = asked["Keys"].as_array().into_iter().flatten();
    let writes = asked.as_array().into_iter().flatten();
    let writes = writes.flat_map(|one| [&one["PutRequest"], &one["DeleteRequest"]]);
    keys.chain(writes)
}

/// The partition that a part names: by `Key`, by `Item`, or by being a key itself.
fn leading_of(table: &TableRow, part: &Json) -> Option<String> {
    let name = &table.keys.hash.name;
    let value = [&part["Key"], &part["Item"], part].into_iter().find_map(|map| map.get(name))?;
    let mut wire = AttributeValue::default();
    from_json_into(value.clone(), &mut wire).ok()?;
    shown(&convert::attr(wire).ok()?)
}

/// A partition as policies name it.
pub(super) fn shown(value: &Attr) -> Option<String> {
    match value {
        Attr::S(text) => Some(text.clone()),
        Attr::N(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The partition that a query reads.
fn queried(table: &TableRow, json: &Json) -> Option<String> {
    let mut input = QueryInput::default();
    from_json_into(json.clone(), &mut input).ok()?;
    let keys = match &input.index_name {
        Some(name) => &table.index(name)?.keys,
        None => &table.keys,
    };
    let condition = match (&input.key_condition_expression, input.key_conditions) {
        (Some(text), _) => {
            let given = [("KeyConditionExpression", Some(text.as_str()))];
            let (names, values) =
                (input.expression_attribute_names, input.expression_attribute_values);
            let mut placeholders = Placeholders::read(names, values, &given, &given).ok()?;
            key_condition::read(text, &mut placeholders, keys).ok()?
        }
        (None, conditions) => {
            key_condition::of_parts(legacy::key_conditions(conditions?).ok()?, keys).ok()?
        }
    };
    condition.hashes.first().and_then(shown)
}

/// The top-level attributes that a call names, in whichever parameter.
fn attributes(part: &Json) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for member in [
        "Item",
        "Key",
        "Expected",
        "AttributeUpdates",
        "KeyConditions",
        "QueryFilter",
        "ScanFilter",
    ] {
        found.extend(part[member].as_object().into_iter().flatten().map(named_by));
    }
    let listed = part["AttributesToGet"].as_array().into_iter().flatten();
    found.extend(listed.filter_map(|name| name.as_str().map(str::to_owned)));
    let names: BTreeMap<&str, &str> = part["ExpressionAttributeNames"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, name)| Some((key.as_str(), name.as_str()?)))
        .collect();
    for member in [
        "ProjectionExpression",
        "ConditionExpression",
        "UpdateExpression",
        "FilterExpression",
        "KeyConditionExpression",
    ] {
        let Some(text) = part[member].as_str() else { continue };
        found.extend(crate::rules::expression::named(text).map(|word| {
            names.get(word).map_or_else(|| word.to_owned(), |name| (*name).to_owned())
        }));
    }
    found
}
