//! Code signing configurations.

use std::ops::RangeInclusive;

use haar_ledger::Row;
use haar_types::{AccountId, Arn, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

/// A code signing configuration's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CodeSigningKey {
    /// The owner.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
    /// `csc-` and 17 letters or digits.
    pub id: String,
}

impl CodeSigningKey {
    /// Names a configuration.
    pub fn new(account: &AccountId, region: &Region, id: &str) -> Self {
        Self { account: account.clone(), region: region.clone(), id: id.to_owned() }
    }

    /// `arn:aws:lambda:REGION:ACCOUNT:code-signing-config:ID`.
    pub fn arn(&self) -> Arn {
        Arn::mint("lambda", &self.region, &self.account, "code-signing-config:", &self.id)
    }

    /// All configurations of an account in a region.
    pub fn all(account: &AccountId, region: &Region) -> RangeInclusive<Self> {
        Self::new(account, region, "")..=Self::new(account, region, "\u{10ffff}")
    }
}

/// A code signing configuration. Writer: operations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CodeSigningRow {
    /// Key.
    pub key: CodeSigningKey,
    /// `Description`; empty where none was given.
    pub description: String,
    /// The signing profiles' versions whose signatures are trusted.
    pub publishers: Vec<String>,
    /// Code that no publisher has signed is refused; else it is only warned of.
    pub enforces: bool,
    /// Its tags.
    pub tags: Tags,
    /// `LastModified`.
    pub last_modified_at: Timestamp,
}

impl Row for CodeSigningRow {
    type Key = CodeSigningKey;
    const TABLE: &'static str = "lambda.code_signing";

    fn key(&self) -> CodeSigningKey {
        self.key.clone()
    }
}
