//! Pages of Lambda's lists: `Marker` and `MaxItems`.

use haar_kernel::{Call, Page, page, read_token};

use crate::Refusal;

/// Items on a page at most, whatever `MaxItems` says.
pub(super) const PAGE_MAX: usize = 50;

/// One listing of one caller.
pub(super) struct Listing {
    scope: String,
    /// The key behind which this page begins.
    pub(super) after: Option<String>,
    limit: usize,
}

impl Listing {
    /// Reads the marker of a listing that is named by operation and subject.
    ///
    /// # Errors
    /// When the marker is not of this listing.
    pub(super) fn new(
        call: &Call,
        subject: &str,
        marker: Option<&str>,
        max_items: Option<i32>,
    ) -> Result<Self, Refusal> {
        let scope = format!("lambda/{}/{}/{subject}", call.account, call.region);
        let after = marker.filter(|marker| !marker.is_empty());
        let after = after.map(|marker| read_token(&scope, marker)).transpose();
        let after = after.map_err(|_| Refusal::invalid("Invalid Marker."))?;
        let limit = max_items.and_then(|max| usize::try_from(max).ok()).unwrap_or(PAGE_MAX);
        Ok(Self { scope, after, limit: limit.clamp(1, PAGE_MAX) })
    }

    /// Cuts the page; `items` are in the order of their keys.
    pub(super) fn page<T>(
        &self,
        items: impl Iterator<Item = T>,
        key: impl Fn(&T) -> String,
    ) -> Page<T> {
        let seen = |item: &T| self.after.as_ref().is_some_and(|after| key(item) <= *after);
        page(items.skip_while(|item| seen(item)), self.limit, &self.scope, &key)
    }
}

/// A number as a key whose texts sort as the numbers do.
pub(super) fn sortable(number: u64) -> String {
    format!("{number:020}")
}
