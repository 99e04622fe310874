//! The room's tables.

use std::collections::BTreeSet;

use haar_ledger::{Row, Snapshot, Tables};
use haar_ssm_contract::{ParameterTier, ParameterType};
use haar_types::{AccountId, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

/// Whose a parameter is, and its name.
pub(crate) type Key = (AccountId, Region, String);

/// A parameter. Writer: operations, and `controllers::expiry` that removes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ParameterRow {
    pub(crate) key: Key,
    /// The newest version's number.
    pub(crate) version: i64,
    /// When its policies let it end.
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) tags: Tags,
}

impl Row for ParameterRow {
    type Key = Key;
    const TABLE: &'static str = "ssm.parameter";

    fn key(&self) -> Key {
        self.key.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if new.version < old.version => {
                Err(format!("version {} after {}", new.version, old.version))
            }
            _ => Ok(()),
        }
    }
}

/// One version of a parameter. Writer: operations; only its labels change.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VersionRow {
    /// The parameter's key and the version's number.
    pub(crate) key: (Key, i64),
    pub(crate) kind: ParameterType,
    pub(crate) value: Value,
    pub(crate) key_id: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) allowed_pattern: Option<String>,
    pub(crate) tier: ParameterTier,
    pub(crate) data_type: String,
    /// The policies' types and texts.
    pub(crate) policies: Vec<(String, String)>,
    pub(crate) labels: BTreeSet<String>,
    pub(crate) modified_at: Timestamp,
    pub(crate) modified_by: String,
}

/// A value as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Value {
    /// `String` and `StringList`.
    Plain(String),
    /// `SecureString`.
    Sealed(Vec<u8>),
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Value(***)")
    }
}

impl Row for VersionRow {
    type Key = (Key, i64);
    const TABLE: &'static str = "ssm.parameter_version";

    fn key(&self) -> Self::Key {
        self.key.clone()
    }
}

/// The versions of a parameter, oldest first.
pub(crate) fn versions<'s>(
    snapshot: &'s Snapshot,
    key: &Key,
) -> impl DoubleEndedIterator<Item = std::sync::Arc<VersionRow>> + 's {
    snapshot.range::<VersionRow>((key.clone(), 0)..=(key.clone(), i64::MAX))
}

/// The parameters of a place whose names begin so, by name.
pub(crate) fn parameters<'s>(
    snapshot: &'s Snapshot,
    account: &'s AccountId,
    region: &'s Region,
    prefix: &'s str,
) -> impl Iterator<Item = std::sync::Arc<ParameterRow>> + 's {
    let first = (account.clone(), region.clone(), prefix.to_owned());
    snapshot.range::<ParameterRow>(first..).take_while(move |row| {
        row.key.0 == *account && row.key.1 == *region && row.key.2.starts_with(prefix)
    })
}

/// The room's tables, for the ledger.
pub fn tables() -> Tables {
    Tables::new().with::<ParameterRow>().with::<VersionRow>()
}
