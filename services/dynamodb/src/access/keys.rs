//! Condition keys of calls: `dynamodb:LeadingKeys`, `dynamodb:Attributes` and their kin.

use std::collections::{BTreeMap, BTreeSet};

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
type Key = (String, Vec<String>);

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
        let mut leading = BTreeSet::new();
        for (name, asked) in tables {
            let Some(row) = table(name) else { continue };
            leading.extend(parts(asked).flat_map(|part| leading_of(&row, part)));
        }
        keys.push((LEADING.to_owned(), leading.into_iter().collect()));
    }
    if operation.name == "Scan" {
        keys.push(("dynamodb:FullTableScan".to_owned(), vec!["true".to_owned()]));
    }
    for (member, key) in [
        ("Select", "dynamodb:Select"),
        ("ReturnValues", "dynamodb:ReturnValues"),
        ("ReturnConsumedCapacity", "dynamodb:ReturnConsumedCapacity"),
    ] {
        keys.extend(json[member].as_str().map(|text| (key.to_owned(), vec![text.to_owned()])));
    }
    keys.extend(request_tags(&json["Tags"], &json["TagKeys"]));
    keys.retain(|(_, values)| !values.is_empty());
    keys
}

const LEADING: &str = "dynamodb:LeadingKeys";

/// What one item's part of an input says of partitions and attributes.
pub(super) fn of_item(table: &TableRow, part: &Json) -> Vec<Key> {
    let leading = leading_of(table, part).into_iter().collect();
    let attributes = attributes(part).into_iter().collect();
    let mut keys: Vec<Key> =
        vec![(LEADING.to_owned(), leading), ("dynamodb:Attributes".to_owned(), attributes)];
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

fn shown(value: &Attr) -> Option<String> {
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
    shown(&condition.hash)
}

/// The top-level attributes that a call names, in whichever parameter.
fn attributes(part: &Json) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for member in ["Item", "Key", "Expected", "AttributeUpdates", "KeyConditions"] {
        found.extend(part[member].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
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
