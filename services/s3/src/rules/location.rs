//! Where an object is, as answers to uploads say it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a key is written with besides letters and digits: slashes are escaped too, and AWS's
/// libraries undo that.
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The address of an object.
pub(crate) fn of(endpoint: &str, bucket: &str, key: &str) -> String {
    format!("{endpoint}/{bucket}/{}", utf8_percent_encode(key, KEY))
}
