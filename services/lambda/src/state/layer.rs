//! Layers and their versions.

use std::ops::RangeInclusive;

use haar_ledger::Row;
use haar_types::{Arn, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Code, LayerKey, PolicyStatement};

/// A layer. It outlives its versions, because their numbers are never used twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerRow {
    /// Key.
    pub key: LayerKey,
    /// The newest version's number, deleted ones included.
    pub version_count: u64,
}

impl Row for LayerRow {
    type Key = LayerKey;
    const TABLE: &'static str = "lambda.layer";

    fn key(&self) -> LayerKey {
        self.key.clone()
    }
}

/// A layer version's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LayerVersionKey {
    /// The layer.
    pub layer: LayerKey,
    /// From 1.
    pub version: u64,
}

impl LayerVersionKey {
    /// `arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION`.
    pub fn arn(&self) -> Arn {
        let name = format_args!("{}:{}", self.layer.name, self.version);
        Arn::mint("lambda", &self.layer.region, &self.layer.account, "layer:", name)
    }

    /// All versions of a layer.
    pub fn all(layer: &LayerKey) -> RangeInclusive<Self> {
        let at = |version| Self { layer: layer.clone(), version };
        at(0)..=at(u64::MAX)
    }
}

/// One version of a layer. Writer: operations; only its policy ever changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerVersionRow {
    /// Key.
    pub key: LayerVersionKey,
    /// Its archive.
    pub code: Code,
    /// `Description`.
    pub description: String,
    /// `LicenseInfo`.
    pub license_info: Option<String>,
    /// `CompatibleRuntimes`; `None` where not given.
    pub runtimes: Option<Vec<String>>,
    /// `CompatibleArchitectures`; `None` where not given.
    pub architectures: Option<Vec<String>>,
    /// `CreatedDate`.
    pub created_at: Timestamp,
    /// Who else may use it.
    pub statements: Vec<PolicyStatement>,
    /// The policy's revision.
    pub revision_id: String,
}

impl Row for LayerVersionRow {
    type Key = LayerVersionKey;
    const TABLE: &'static str = "lambda.layer_version";

    fn key(&self) -> LayerVersionKey {
        self.key.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if old.code != new.code => Err("a layer version was changed".to_owned()),
            _ => Ok(()),
        }
    }
}
