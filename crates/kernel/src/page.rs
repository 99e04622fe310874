//! Pages of long answers.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// Ready for a token.
static KEYED: LazyLock<Hmac<Sha256>> =
    LazyLock::new(|| Hmac::new_from_slice(b"haar page token").expect("a key of any length fits"));

/// Bytes of the code that authenticates a token.
const TAG_LEN: usize = 12;

/// A page of a listing and the token of the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The token of the next page; `None` on the last.
    pub next: Option<String>,
}

/// Why a token was not taken: it was not minted for this listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadToken;

/// Cuts one page from `items`, which are in the order of their keys and begin *behind* the key
/// that [`read_token`] gave. `key` names the last item of a page; `scope` names the listing
/// (operation, account, filters), so that a token of one listing is refused by another.
pub fn page<T>(
    items: impl IntoIterator<Item = T>,
    limit: usize,
    scope: &str,
    key: impl Fn(&T) -> String,
) -> Page<T> {
    let mut items = items.into_iter();
    let page: Vec<T> = items.by_ref().take(limit).collect();
    let more = page.len() == limit && limit > 0 && items.next().is_some();
    let next = if more { page.last().map(|last| mint_token(scope, &key(last))) } else { None };
    Page { items: page, next }
}

/// An opaque token that stands for a position in a listing.
pub fn mint_token(scope: &str, key: &str) -> String {
    let mut bytes = tag(scope, key).to_vec();
    bytes.extend_from_slice(key.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The key that a token stands for.
///
/// # Errors
/// [`BadToken`] when it is not a token of this listing.
pub fn read_token(scope: &str, token: &str) -> Result<String, BadToken> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| BadToken)?;
    let (given, key) = bytes.split_at_checked(TAG_LEN).ok_or(BadToken)?;
    let key = std::str::from_utf8(key).map_err(|_| BadToken)?;
    if bool::from(tag(scope, key).ct_eq(given)) { Ok(key.to_owned()) } else { Err(BadToken) }
}

/// Tokens guard against mistakes, not against forgery: what they name is checked by the gate
/// anyway, so the key is fixed and tokens outlive a restart.
fn tag(scope: &str, key: &str) -> [u8; TAG_LEN] {
    let mut mac = KEYED.clone();
    mac.update(scope.as_bytes());
    mac.update(&[0]);
    mac.update(key.as_bytes());
    let mut tag = [0; TAG_LEN];
    tag.copy_from_slice(&mac.finalize().into_bytes()[..TAG_LEN]);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_cut_into_pages_until_nothing_is_left() {
        let all: Vec<String> = (0..5).map(|number| number.to_string()).collect();
        let first = page(all.clone(), 3, "list", Clone::clone);
        assert_eq!(first.items, ["0", "1", "2"]);
        let after = read_token("list", &first.next.unwrap()).unwrap();
        let rest = all.into_iter().filter(|item| *item > after);
        let second = page(rest, 3, "list", Clone::clone);
        assert_eq!((second.items.len(), second.next), (2, None));
    }

    #[test]
    fn a_token_of_another_listing_is_refused() {
        let token = mint_token("list/one", "key");
        assert_eq!(read_token("list/other", &token), Err(BadToken));
        assert_eq!(read_token("list/one", "junk"), Err(BadToken));
        assert_eq!(read_token("list/one", "").unwrap_err(), BadToken);
    }
}
