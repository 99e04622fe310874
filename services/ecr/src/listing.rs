//! Pages of listings.

use haar_kernel::{mint_token, read_token};
use haar_wire::AwsError;

use crate::refusal;

/// Which page of a listing a request asks for.
pub(crate) struct PageAsk {
    /// Names the listing.
    pub(crate) scope: String,
    pub(crate) token: Option<String>,
    pub(crate) max: Option<i32>,
}

impl PageAsk {
    /// Cuts the page out of all items, which are in the order of their keys.
    pub(crate) fn cut<T>(
        self,
        items: impl Iterator<Item = T>,
        default: usize,
        key: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), AwsError> {
        let after = match &self.token {
            Some(token) => Some(read_token(&self.scope, token).map_err(|_| refusal::bad_token())?),
            None => None,
        };
        let limit = self.max.and_then(|max| usize::try_from(max).ok()).unwrap_or(default);
        let mut items = items.filter(|item| after.as_ref().is_none_or(|after| key(item) > *after));
        let page: Vec<T> = items.by_ref().take(limit).collect();
        let more = items.next().is_some();
        let last = page.last().filter(|_| more);
        let next = last.map(|last| mint_token(&self.scope, &key(last)));
        Ok((page, next))
    }
}
