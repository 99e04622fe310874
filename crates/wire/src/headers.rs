//! Headers by their names.

use http::{HeaderMap, HeaderValue};

/// Headers up to which they are looked through one by one.
const SCANNED_MAX: usize = 24;

/// The first header of a name, which is in lower case, where it is a text.
pub(crate) fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    find(headers, name, |known| known == name)?.to_str().ok()
}

/// The same for a name in any case, as models have them.
pub(crate) fn text_of_any_case<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    find(headers, name, |known| known.eq_ignore_ascii_case(name))?.to_str().ok()
}

/// Whether there is a header of a name in any case.
pub(crate) fn has(headers: &HeaderMap, name: &str) -> bool {
    find(headers, name, |known| known.eq_ignore_ascii_case(name)).is_some()
}

/// A request has few headers, and is asked for many that it has not: to look through those costs
/// less than to hash each name.
fn find<'a>(
    headers: &'a HeaderMap,
    name: &str,
    is_it: impl Fn(&str) -> bool,
) -> Option<&'a HeaderValue> {
    match headers.len() {
        ..=SCANNED_MAX => {
            let mut all = headers.iter();
            all.find(|(known, _)| is_it(known.as_str())).map(|(_, value)| value)
        }
        _ => headers.get(name),
    }
}
