//! What all versions of a function share.

use haar_ledger::{IndexEntry, Row, Snapshot};
use haar_types::{AccountId, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{CodeSigningKey, FunctionKey};

/// A function: what its versions share. Writer: operations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionRow {
    /// Key.
    pub key: FunctionKey,
    /// When it was created.
    pub created_at: Timestamp,
    /// The newest published version's number; numbers are never used twice.
    pub version_count: u64,
    /// Its tags.
    pub tags: Tags,
    /// `ReservedConcurrentExecutions`, where set.
    pub reserved_concurrency: Option<u32>,
    /// What happens when it calls itself in a loop.
    pub recursive_loop: RecursiveLoop,
    /// What its code is to be signed by.
    #[serde(default)]
    pub code_signing: Option<CodeSigningKey>,
}

/// What happens when Lambda detects that a function calls itself in a loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecursiveLoop {
    /// Nothing.
    Allow,
    /// The invocation is stopped.
    #[default]
    Terminate,
}

impl Row for FunctionRow {
    type Key = FunctionKey;
    const TABLE: &'static str = "lambda.function";

    fn key(&self) -> FunctionKey {
        self.key.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if new.version_count < old.version_count => {
                Err(format!("version count {} after {}", new.version_count, old.version_count))
            }
            _ => Ok(()),
        }
    }

    /// Those that reserve concurrency, by account and region.
    fn indexes(&self) -> Vec<IndexEntry> {
        let place = Self::place(&self.key.account, &self.key.region);
        self.reserved_concurrency
            .map(|_| IndexEntry::new(Self::RESERVED, place))
            .into_iter()
            .collect()
    }
}

impl FunctionRow {
    /// The index of rows that reserve concurrency.
    const RESERVED: &'static str = "reserved";

    fn place(account: &AccountId, region: &Region) -> String {
        format!("{account} {region}")
    }

    /// What all functions of an account in a region have reserved together.
    pub fn reserved_by_all(snapshot: &Snapshot, account: &AccountId, region: &Region) -> u32 {
        let place = Self::place(account, region);
        let rows = snapshot.by_index::<Self>(Self::RESERVED, &place);
        rows.filter_map(|row| row.reserved_concurrency).sum()
    }
}
