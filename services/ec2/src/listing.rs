//! `Describe…`: ids, filters, pages.

use std::sync::Arc;

use haar_ec2_contract::Filter;
use haar_ec2_contract::peek::Place;
use haar_kernel::{Call, Page, page, read_token};
use haar_ledger::Snapshot;
use haar_wire::AwsError;

use crate::refusal::{combination, invalid};
use crate::rules::Filters;
use crate::state::{Resource, rows_of};

/// Items of a page at least, at most and by default.
const PAGE_MIN: i32 = 5;
const PAGE_MAX: i32 = 1000;

/// What a `Describe…` asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    pub(crate) ids: Vec<String>,
    pub(crate) filters: Option<Vec<Filter>>,
    pub(crate) max_results: Option<i32>,
    pub(crate) next_token: Option<String>,
    /// All in one answer, for operations that have no pages.
    pub(crate) whole: bool,
}

/// Takes the four members that most inputs have.
macro_rules! ask {
    ($input:ident, $ids:ident) => {
        $crate::listing::Ask {
            ids: $input.$ids.unwrap_or_default(),
            filters: $input.filters,
            max_results: $input.max_results,
            next_token: $input.next_token,
            whole: false,
        }
    };
}
pub(crate) use ask;

/// Whose call it is.
pub(crate) fn place_of(call: &Call) -> Place {
    Place::new(&call.account, &call.region)
}

/// One page of a kind's rows. `says` answers the kind's own filters.
pub(crate) fn describe<R: Resource>(
    snapshot: &Snapshot,
    place: &Place,
    ask: Ask,
    says: impl Fn(&R, &str) -> Option<Vec<String>>,
) -> Result<Page<Arc<R>>, AwsError> {
    let filters = Filters::new(ask.filters)?;
    if !ask.ids.is_empty() && ask.max_results.is_some() {
        let text =
            format!("The parameter {}Ids cannot be used with the parameter maxResults", R::KIND);
        return Err(combination(text));
    }
    let rows: Vec<Arc<R>> = match ask.ids.as_slice() {
        [] => rows_of::<R>(snapshot, place).collect(),
        ids => {
            let mut rows = Vec::new();
            for id in ids {
                rows.push(R::find(snapshot, place, id)?);
            }
            rows.sort_by(|one, other| one.id().cmp(other.id()));
            rows.dedup_by(|one, other| one.id() == other.id());
            rows
        }
    };
    let mut found = Vec::new();
    for row in rows {
        if filters.match_(row.tags(), |name| says(&row, name))? {
            found.push(row);
        }
    }
    if ask.whole {
        return Ok(Page { items: found, next: None });
    }
    let scope = format!("{}|{}|{}|{}", R::TABLE, place.account, place.region, filters.scope());
    cut(found, &scope, ask.max_results, ask.next_token, |row| row.id().to_owned())
}

/// Cuts a page out of items that are in the order of their keys.
pub(crate) fn cut<T>(
    items: Vec<T>,
    scope: &str,
    max_results: Option<i32>,
    next_token: Option<String>,
    key: impl Fn(&T) -> String,
) -> Result<Page<T>, AwsError> {
    cut_at(items, scope, page_size(max_results)?, next_token, key)
}

/// The same where a page may be of any length.
pub(crate) fn cut_at<T>(
    items: Vec<T>,
    scope: &str,
    limit: usize,
    next_token: Option<String>,
    key: impl Fn(&T) -> String,
) -> Result<Page<T>, AwsError> {
    let after = match next_token.filter(|token| !token.is_empty()) {
        Some(token) => {
            let bad = |_| invalid("Invalid value for 'nextToken'.");
            Some(read_token(scope, &token).map_err(bad)?)
        }
        None => None,
    };
    let rest = items.into_iter().filter(|item| after.as_ref().is_none_or(|last| key(item) > *last));
    Ok(page(rest, limit, scope, &key))
}

/// Items of a page of which the model allows one and more, and the operation so many.
pub(crate) fn page_up_to(most: usize, max_results: Option<i32>) -> usize {
    let wanted = max_results.and_then(|wanted| usize::try_from(wanted).ok());
    wanted.unwrap_or(most).clamp(1, most)
}

fn page_size(max_results: Option<i32>) -> Result<usize, AwsError> {
    let wanted = max_results.unwrap_or(PAGE_MAX);
    if wanted < PAGE_MIN {
        let text = format!(
            "Value ( {wanted} ) for parameter maxResults is invalid. Expecting a value greater \
             than or equal to {PAGE_MIN}."
        );
        return Err(invalid(text));
    }
    Ok(usize::try_from(wanted.min(PAGE_MAX)).unwrap_or(1))
}
