//! What all versions of a function share.

use haar_ledger::Row;
use haar_types::{Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::FunctionKey;

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
}
