//! Names that S3 gives to rules and notifications whose maker gave them none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Forty-eight characters: a UUID's text in base 64, as AWS's own examples show them.
pub(crate) fn of(uuid: &str) -> String {
    STANDARD.encode(uuid)
}
