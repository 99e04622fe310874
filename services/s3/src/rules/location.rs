//! Where an object is, as answers to uploads say it.

use haar_wire::sigv4::URI_ENCODED;
use percent_encoding::utf8_percent_encode;

/// The address of an object. Slashes of its key are escaped too, and AWS's libraries undo that.
pub(crate) fn of(endpoint: &str, bucket: &str, key: &str) -> String {
    format!("{endpoint}/{bucket}/{}", utf8_percent_encode(key, URI_ENCODED))
}
