//! Client tokens that made something.

use haar_ledger::Row;
use serde::{Deserialize, Serialize};

use super::Key;

/// What a client token made. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TokenRow {
    /// Operation and token take the id's place.
    pub(crate) key: Key,
    /// Digest of the input that came with it.
    pub(crate) input: [u8; 32],
    /// The id of what was made.
    pub(crate) made: String,
}

impl Row for TokenRow {
    type Key = Key;
    const TABLE: &'static str = "ec2.client_token";

    fn key(&self) -> Key {
        self.key.clone()
    }
}
