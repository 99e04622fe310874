//! Headers by their names.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};

/// Headers up to which they are looked through one by one.
const SCANNED_MAX: usize = 24;

/// The first header of a name, which is in lower case, where it is a text.
pub(crate) fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    text(find(headers, name, |known| known == name)?)
}

/// The same for a name in any case, as models have them.
pub(crate) fn text_of_any_case<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    text(find(headers, name, |known| known.eq_ignore_ascii_case(name))?)
}

/// A header's value as a text, which may be more than ASCII; some clients send names and titles so.
pub(crate) fn text(value: &HeaderValue) -> Option<&str> {
    str::from_utf8(value.as_bytes()).ok()
}

/// A text as a header's value: more than ASCII goes as RFC 2047 writes it. AWS docs: *Amazon S3
/// User Guide > Working with object metadata*.
pub(crate) fn mail_safe(text: &str) -> Cow<'_, str> {
    match text.is_ascii() {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("=?UTF-8?B?{}?=", STANDARD.encode(text))),
    }
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
