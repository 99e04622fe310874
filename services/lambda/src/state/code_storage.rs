//! How much an account keeps.

use haar_ledger::Row;
use haar_types::{AccountId, Region};
use serde::{Deserialize, Serialize};

/// Bytes of all archives of an account in a region, so that nobody has to count them. Writer:
/// operations, in the commit that writes or removes a version or a layer version. Where there is
/// none yet, they are counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CodeStorageRow {
    /// Key.
    pub account: AccountId,
    /// Key.
    pub region: Region,
    /// Of its functions and layers together.
    pub bytes: u64,
}

impl Row for CodeStorageRow {
    type Key = (AccountId, Region);
    const TABLE: &'static str = "lambda.code_storage";

    fn key(&self) -> Self::Key {
        (self.account.clone(), self.region.clone())
    }
}
