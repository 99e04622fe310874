//! Statements that read.

use std::ops::Bound;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haar_dynamodb_contract::ProjectionType;
use haar_kernel::Call;
use haar_wire::AwsError;

use crate::Dynamodb;
use crate::capacity::Units;
use crate::engine::{Span, position};
use crate::refusal::{invalid, invalid_parameter};
use crate::requests::Plan;
use crate::rules::codec;
use crate::rules::expression::Projection;
use crate::rules::key_condition::KeyCondition;
use crate::rules::partiql::{Select, key_condition};
use crate::rules::schema::KeySchema;
use crate::rules::value::Item;
use crate::state::{Index, TableRow};

/// A page of what a statement finds.
pub(super) struct Selected {
    pub(super) table: Arc<TableRow>,
    pub(super) items: Vec<Item>,
    pub(super) last: Option<Item>,
    pub(super) units: Units,
}

/// How a page is to be read.
#[derive(Default)]
pub(super) struct Paging {
    pub(super) limit: Option<i32>,
    pub(super) token: Option<String>,
    /// Tells the statement from others.
    pub(super) digest: u64,
    pub(super) is_consistent: bool,
}

/// A token for the page behind an item, of the statement with a digest.
pub(super) fn token_of(last: &Item, digest: u64) -> String {
    let mut token = digest.to_be_bytes().to_vec();
    token.extend(codec::encode(last));
    URL_SAFE_NO_PAD.encode(token)
}

/// The item that a token stands behind, where it is one of the statement's.
fn last_of(token: &str, digest: u64) -> Option<Item> {
    let token = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (of, last) = token.split_first_chunk::<8>()?;
    codec::decode(last.to_vec().into()).filter(|_| *of == digest.to_be_bytes())
}

impl Dynamodb {
    /// Reads a page: of a partition where the condition stays in one, else of the whole table.
    pub(super) fn select(
        &self,
        call: &Call,
        select: Select,
        paging: Paging,
    ) -> Result<Selected, AwsError> {
        let table = self.serving(call, &select.table)?;
        let index = select.index.as_deref().map(|name| find_index(&table, name)).transpose()?;
        let keys = index.as_ref().map_or(&table.keys, |index| &index.keys);
        let within = select.condition.as_ref().and_then(|it| key_condition(it, keys));
        let mut span = match &within {
            Some(within) => within.span(is_forward(&select.order, keys, within)?),
            None if select.order.is_empty() => {
                Span { low: Bound::Unbounded, high: Bound::Unbounded, is_forward: true }
            }
            None => {
                return Err(invalid(
                    "Must have WHERE clause in the statement when using ORDER BY clause.",
                ));
            }
        };
        if let Some(token) = &paging.token {
            let last = last_of(token, paging.digest);
            let at = last.and_then(|last| start_of(&table, index.as_ref(), &last));
            span.after(at.ok_or_else(|| invalid("Invalid NextToken"))?);
        }
        let plan = Plan {
            whole_items: index.as_ref().is_some_and(|index| needs_items(&table, index, &select)),
            index,
            span,
            limit: paging.limit.and_then(|limit| usize::try_from(limit).ok()),
            filter: select.condition,
            projection: select.paths.map(|paths| Projection::of(&paths)),
            counts_only: false,
            is_consistent: paging.is_consistent,
        };
        let (scanned, units) = self.read_page(&table, &plan)?;
        let shown = |item| match &plan.projection {
            Some(projection) => projection.apply(item),
            None => item,
        };
        let items = scanned.items.into_iter().map(shown).collect();
        Ok(Selected { table, items, last: scanned.last, units })
    }
}

/// Which way an order goes: it names attributes of the key as the key has them, but for those of
/// which all items have the same, all in one direction.
fn is_forward(
    order: &[(String, bool)],
    keys: &KeySchema,
    within: &KeyCondition,
) -> Result<bool, AwsError> {
    let mut free = keys.ranges().skip(within.equal.len()).map(|part| part.name.as_str());
    let is_fixed = |name: &str| {
        let mut fixed = keys.hashes().chain(keys.ranges().take(within.equal.len()));
        fixed.any(|part| part.name == name)
    };
    let mut descends = None;
    for (name, down) in order {
        if is_fixed(name) {
            continue;
        }
        if free.next() != Some(name) || descends.is_some_and(|other| other != *down) {
            return Err(invalid(format!(
                "Variable reference {name} in ORDER BY clause must be part of the primary key"
            )));
        }
        descends = Some(*down);
    }
    let last = || order.last().is_some_and(|(_, down)| *down);
    Ok(!descends.unwrap_or_else(last))
}

fn find_index(table: &TableRow, name: &str) -> Result<Index, AwsError> {
    let index = table.index(name).filter(|index| index.is_readable()).cloned();
    index.ok_or_else(|| {
        invalid_parameter(format!("The table does not have the specified index: {name}"))
    })
}

/// Local indexes fetch what they do not hold.
fn needs_items(table: &TableRow, index: &Index, select: &Select) -> bool {
    let beyond =
        select.paths.iter().flatten().any(|path| !index.shows(&table.keys, &path.attribute));
    !index.is_global && index.projected.kind != ProjectionType::All && beyond
}

fn start_of(table: &TableRow, index: Option<&Index>, last: &Item) -> Option<Vec<u8>> {
    let base = table.keys.of_key(table.keys.of(last)).ok()?;
    position(index, last, &base)
}
