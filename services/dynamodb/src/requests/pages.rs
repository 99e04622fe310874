//! Queries and scans: what is read, what of it is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use haar_dynamodb_contract::{
    AttributeValue, Condition as WireCondition, ConditionalOperator, ProjectionType, Select,
};
use haar_wire::AwsError;

use super::projections::to_attributes;
use crate::convert::{self, WireItem};
use crate::engine::{Position, Span, position};
use crate::refusal::{invalid, invalid_parameter};
use crate::rules::expression::ast::Condition;
use crate::rules::expression::{self, Placeholders, Projection};
use crate::rules::key_condition::{self, KeyCondition};
use crate::rules::legacy;
use crate::rules::schema::KeySchema;
use crate::rules::value::Item;
use crate::state::{Index, TableRow};

/// Segments of a parallel scan spread over the two bytes before partition keys.
const SPREAD: i64 = 0x1_0000;

/// What queries and scans have in common.
#[derive(Default)]
pub(crate) struct PageInput {
    pub(crate) index_name: Option<String>,
    pub(crate) select: Option<Select>,
    pub(crate) attributes_to_get: Option<Vec<String>>,
    pub(crate) limit: Option<i32>,
    pub(crate) consistent_read: Option<bool>,
    pub(crate) filter_legacy: Option<BTreeMap<String, WireCondition>>,
    pub(crate) operator: Option<ConditionalOperator>,
    pub(crate) exclusive_start_key: Option<WireItem>,
    pub(crate) projection: Option<String>,
    pub(crate) filter: Option<String>,
    pub(crate) names: Option<BTreeMap<String, String>>,
    pub(crate) values: Option<BTreeMap<String, AttributeValue>>,
}

/// What is to be read and answered.
pub(crate) struct Plan {
    pub(crate) index: Option<Index>,
    pub(crate) span: Span,
    pub(crate) limit: Option<usize>,
    pub(crate) filter: Option<Condition>,
    pub(crate) projection: Option<Projection>,
    pub(crate) counts_only: bool,
    /// Local index: the table's items are fetched.
    pub(crate) whole_items: bool,
    pub(crate) is_consistent: bool,
}

/// A query: a partition, forwards or backwards.
pub(crate) fn plan_query(
    table: &TableRow,
    mut input: PageInput,
    (expression, conditions): (Option<String>, Option<BTreeMap<String, WireCondition>>),
    is_forward: bool,
) -> Result<Plan, AwsError> {
    let legacy = [
        ("AttributesToGet", input.attributes_to_get.is_some()),
        ("QueryFilter", input.filter_legacy.is_some()),
        ("ConditionalOperator", input.operator.is_some()),
        ("KeyConditions", conditions.is_some()),
    ];
    legacy::not_both(
        &legacy,
        &[
            ("ProjectionExpression", input.projection.is_some()),
            ("FilterExpression", input.filter.is_some()),
            ("KeyConditionExpression", expression.is_some()),
        ],
    )?;
    let index = index_of(table, &input)?;
    let keys = index.as_ref().map_or(&table.keys, |index| &index.keys);
    let key_text = ("KeyConditionExpression", expression.as_deref());
    let mut placeholders = placeholders_of(&mut input, Some(key_text))?;
    let condition = match (&expression, conditions) {
        (Some(text), _) => key_condition::read(text, &mut placeholders, keys)?,
        (None, Some(conditions)) => {
            key_condition::of_parts(legacy::key_conditions(conditions)?, keys)?
        }
        (None, None) => {
            return Err(invalid(
                "Either the KeyConditions or KeyConditionExpression parameter must be specified \
                 in the request.",
            ));
        }
    };
    let legacy_filter = "QueryFilter";
    let mut plan = plan(table, index, input, placeholders, legacy_filter, |plan, start| {
        let within = condition.holds(keys_of(table, plan), start);
        check_start(within, &condition, keys_of(table, plan), start)
    })?;
    check_filter(keys_of(table, &plan), plan.filter.as_ref())?;
    let after = plan.span.clone();
    plan.span = condition.span(is_forward);
    if let Bound::Excluded(start) = after.low {
        plan.span.after(start);
    }
    Ok(plan)
}

fn keys_of<'a>(table: &'a TableRow, plan: &'a Plan) -> &'a KeySchema {
    plan.index.as_ref().map_or(&table.keys, |index| &index.keys)
}

fn check_start(
    within: bool,
    condition: &KeyCondition,
    keys: &KeySchema,
    start: &Item,
) -> Result<(), AwsError> {
    if within {
        return Ok(());
    }
    Err(invalid(match condition.is_of_partition(keys, start) {
        true => "The provided starting key does not match the range key predicate",
        false => {
            "The provided starting key is outside query boundaries based on provided conditions"
        }
    }))
}

/// A query's filter leaves the key to the key condition.
fn check_filter(keys: &KeySchema, filter: Option<&Condition>) -> Result<(), AwsError> {
    let Some(filter) = filter else { return Ok(()) };
    match keys.parts().find(|part| filter.names(&part.name)) {
        Some(part) => Err(invalid(format!(
            "Filter Expression can only contain non-primary key attributes: Primary key \
             attribute: {}",
            part.name
        ))),
        None => Ok(()),
    }
}

/// A scan, or one segment of it.
pub(crate) fn plan_scan(
    table: &TableRow,
    mut input: PageInput,
    segments: (Option<i32>, Option<i32>),
) -> Result<Plan, AwsError> {
    legacy::not_both(
        &[
            ("AttributesToGet", input.attributes_to_get.is_some()),
            ("ScanFilter", input.filter_legacy.is_some()),
            ("ConditionalOperator", input.operator.is_some()),
        ],
        &[
            ("ProjectionExpression", input.projection.is_some()),
            ("FilterExpression", input.filter.is_some()),
        ],
    )?;
    let segment = segment(segments)?;
    let index = index_of(table, &input)?;
    let placeholders = placeholders_of(&mut input, None)?;
    let mut plan = plan(table, index, input, placeholders, "ScanFilter", |plan, start| {
        let (position, low) = (keys_of(table, plan).bytes(start), &segment.0);
        let before = |low: &Position| position.as_ref().is_some_and(|(at, _)| at < low);
        match low {
            Bound::Included(low) if before(low) => {
                Err(invalid("The provided starting key is outside of the segment's boundaries"))
            }
            _ => Ok(()),
        }
    })?;
    let start = std::mem::replace(&mut plan.span.low, segment.0);
    plan.span.high = segment.1;
    if let Bound::Excluded(start) = start {
        plan.span.after(start);
    }
    Ok(plan)
}

/// The stretch of a segment.
fn segment(
    (segment, total): (Option<i32>, Option<i32>),
) -> Result<(Bound<Position>, Bound<Position>), AwsError> {
    let (segment, total) = match (segment, total) {
        (None, None) => return Ok((Bound::Unbounded, Bound::Unbounded)),
        (Some(segment), Some(total)) => (i64::from(segment), i64::from(total)),
        (Some(_), None) => {
            return Err(invalid(
                "The TotalSegments parameter is required but was not present in the request when \
                 Segment parameter is present",
            ));
        }
        (None, Some(_)) => {
            return Err(invalid(
                "The Segment parameter is required but was not present in the request when \
                 parameter TotalSegments is present",
            ));
        }
    };
    if segment >= total {
        return Err(invalid(format!(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: \
             Segment: {segment} is not less than TotalSegments: {total}"
        )));
    }
    let edge = |segment: i64| {
        let spread = (segment * SPREAD).div_euclid(total);
        u16::try_from(spread).ok().map(|spread| spread.to_be_bytes().to_vec())
    };
    let low = edge(segment).map_or(Bound::Unbounded, Bound::Included);
    Ok((low, edge(segment + 1).map_or(Bound::Unbounded, Bound::Excluded)))
}

fn index_of(table: &TableRow, input: &PageInput) -> Result<Option<Index>, AwsError> {
    let Some(name) = &input.index_name else { return Ok(None) };
    let missing = || invalid(format!("The table does not have the specified index: {name}"));
    let index = table.index(name).ok_or_else(missing)?;
    if !index.is_readable() {
        return Err(invalid(format!(
            "Cannot read from backfilling global secondary index: {name}"
        )));
    }
    if index.is_global && input.consistent_read == Some(true) {
        return Err(invalid("Consistent reads are not supported on global secondary indexes"));
    }
    Ok(Some(index.clone()))
}

fn placeholders_of(
    input: &mut PageInput,
    key_condition: Option<(&'static str, Option<&str>)>,
) -> Result<Placeholders, AwsError> {
    let (filter, projection) = (input.filter.as_deref(), input.projection.as_deref());
    let mut with_values = vec![("FilterExpression", filter)];
    with_values.extend(key_condition);
    let mut with_names = with_values.clone();
    with_names.push(("ProjectionExpression", projection));
    Placeholders::read(input.names.take(), input.values.take(), &with_names, &with_values)
}

/// All but the key condition; `span.low` is where the last page ended.
fn plan(
    table: &TableRow,
    index: Option<Index>,
    input: PageInput,
    mut placeholders: Placeholders,
    legacy_filter: &str,
    check_start: impl Fn(&Plan, &Item) -> Result<(), AwsError>,
) -> Result<Plan, AwsError> {
    let filter = match (&input.filter, input.filter_legacy) {
        (Some(text), _) => {
            Some(expression::condition("FilterExpression", text, &mut placeholders)?)
        }
        (None, Some(all)) => legacy::filter(all, input.operator)?,
        (None, None) if input.operator.is_some() => {
            return Err(invalid_parameter(format!(
                "ConditionalOperator cannot be used without Filter or Expected: {legacy_filter}"
            )));
        }
        (None, None) => None,
    };
    let projection = match (&input.projection, &input.attributes_to_get) {
        (Some(text), _) => Some(expression::projection(text, &mut placeholders)?),
        (None, Some(attributes)) => Some(to_attributes(attributes)?),
        (None, None) => None,
    };
    placeholders.check_all_used()?;
    let selected = select(table, index.as_ref(), input.select, projection.as_ref())?;
    let (counts_only, whole_items) = selected;
    let span = Span { low: Bound::Unbounded, high: Bound::Unbounded, is_forward: true };
    let limit = input.limit.and_then(|limit| usize::try_from(limit).ok());
    let is_consistent = input.consistent_read == Some(true);
    let mut plan =
        Plan { index, span, limit, filter, projection, counts_only, whole_items, is_consistent };
    if let Some(start) = input.exclusive_start_key {
        let start = convert::item(start)?;
        let at = start_of(table, plan.index.as_ref(), &start)?;
        check_start(&plan, &start)?;
        plan.span.low = Bound::Excluded(at);
    }
    Ok(plan)
}

/// The position of a starting key: it has the keys of table and index, and nothing else.
fn start_of(table: &TableRow, index: Option<&Index>, start: &Item) -> Result<Position, AwsError> {
    let wrong = |why: &str| invalid(format!("The provided starting key is invalid{why}"));
    let is_key =
        |name: &str| table.keys.has(name) || index.is_some_and(|index| index.keys.has(name));
    let base = table.keys.of(start);
    let base = table.keys.of_key(base);
    let base = base.map_err(|_| wrong(": The provided key element does not match the schema"))?;
    if start.keys().any(|name| !is_key(name)) {
        return Err(wrong(""));
    }
    position(index, start, &base).ok_or_else(|| wrong(""))
}

/// Whether only counts are asked for, and whether whole items are fetched.
fn select(
    table: &TableRow,
    index: Option<&Index>,
    select: Option<Select>,
    projection: Option<&Projection>,
) -> Result<(bool, bool), AwsError> {
    let is_partial = |index: &Index| index.projected.kind != ProjectionType::All;
    match (select, projection) {
        (Some(Select::SpecificAttributes), None) => {
            return Err(invalid(
                "Must specify the AttributesToGet or ProjectionExpression when choosing to get \
                 SPECIFIC_ATTRIBUTES",
            ));
        }
        (Some(other), Some(_)) if other != Select::SpecificAttributes => {
            let what = match other {
                Select::Count => "only the Count",
                Select::AllAttributes => "ALL_ATTRIBUTES",
                _ => "ALL_PROJECTED_ATTRIBUTES",
            };
            return Err(invalid(format!(
                "Cannot specify the AttributesToGet when choosing to get {what}"
            )));
        }
        (Some(Select::AllProjectedAttributes), None) if index.is_none() => {
            return Err(invalid(
                "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
            ));
        }
        _ => {}
    }
    let Some(index) = index else { return Ok((select == Some(Select::Count), false)) };
    let beyond = projection.is_some_and(|projection| {
        projection.attributes().any(|name| !index.shows(&table.keys, name))
    });
    if index.is_global && select == Some(Select::AllAttributes) && is_partial(index) {
        return Err(invalid_parameter(format!(
            "Select type ALL_ATTRIBUTES is not supported for global secondary index {} because \
             its projection type is not ALL",
            index.name
        )));
    }
    if index.is_global && beyond {
        let names = projection.iter().flat_map(|projection| projection.attributes());
        let names: BTreeSet<&str> =
            names.map(String::as_str).filter(|name| !index.shows(&table.keys, name)).collect();
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        return Err(invalid_parameter(format!(
            "Global secondary index {} does not project [{names}]",
            index.name
        )));
    }
    let whole =
        !index.is_global && is_partial(index) && (select == Some(Select::AllAttributes) || beyond);
    Ok((select == Some(Select::Count), whole))
}
