//! The room's tables.

mod replica;
mod rotation;

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_ledger::{IndexEntry, Row, Snapshot, Tables, Tx};
use haar_types::{AccountId, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

pub(crate) use replica::{Replica, ReplicaState, derived, replica_arn};
pub(crate) use rotation::{Going, Rotation, RotationStep};

/// Whose a secret is, and its name.
pub(crate) type Key = (AccountId, Region, String);

/// The stage of the version that is in use, and of the one before it.
pub(crate) const CURRENT: &str = "AWSCURRENT";
pub(crate) const PREVIOUS: &str = "AWSPREVIOUS";
/// The stage of the version that a rotation makes.
pub(crate) const PENDING: &str = "AWSPENDING";

/// A secret. Writer: operations, `controllers::rotations`, `controllers::replicas`, and
/// `controllers::deletions` that removes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SecretRow {
    pub(crate) key: Key,
    /// The whole ARN, with the six letters that make it unique.
    pub(crate) arn: String,
    pub(crate) description: Option<String>,
    /// Kept and shown; nothing is sealed with it.
    pub(crate) kms_key_id: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) changed_at: Timestamp,
    /// The day on which a value was last read.
    pub(crate) accessed_at: Option<Timestamp>,
    /// When it was asked to be deleted, and when it will be gone.
    pub(crate) deleted: Option<(Timestamp, Timestamp)>,
    /// Which version each stage points at.
    pub(crate) stages: BTreeMap<String, String>,
    /// Its resource policy.
    pub(crate) policy: Option<String>,
    pub(crate) tags: Tags,
    /// How it is rotated; `None`: it never was.
    #[serde(default)]
    pub(crate) rotation: Option<Rotation>,
    /// Regions where it has replicas, or shall have one.
    #[serde(default)]
    pub(crate) replicas: BTreeMap<Region, Replica>,
    /// Of a replica: where the secret is that it copies.
    #[serde(default)]
    pub(crate) primary: Option<Region>,
}

impl SecretRow {
    /// The stages of a version.
    pub(crate) fn stages_of(&self, version: &str) -> Vec<String> {
        let here = self.stages.iter().filter(|(_, id)| *id == version);
        here.map(|(stage, _)| stage.clone()).collect()
    }

    /// The version of a rotation that has begun and not ended.
    pub(crate) fn pending(&self) -> Option<&String> {
        self.stages.get(PENDING).filter(|version| self.stages.get(CURRENT) != Some(*version))
    }

    /// Points a stage at a version. What was current becomes previous.
    pub(crate) fn stage(&mut self, stage: &str, version: &str) {
        let old = self.stages.insert(stage.to_owned(), version.to_owned());
        if let (CURRENT, Some(old)) = (stage, old)
            && old != version
        {
            self.stages.insert(PREVIOUS.to_owned(), old);
        }
    }
}

impl Row for SecretRow {
    type Key = Key;
    const TABLE: &'static str = "secretsmanager.secret";

    fn key(&self) -> Key {
        self.key.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        let had = old.is_some_and(|old| old.arn == new.arn && old.stages.contains_key(CURRENT));
        match had && !new.stages.contains_key(CURRENT) {
            true => Err("no version is current".to_owned()),
            false => Ok(()),
        }
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        vec![IndexEntry::new("arn", &self.arn)]
    }
}

/// One version of a secret. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VersionRow {
    /// The secret's ARN and the version's id.
    pub(crate) key: (String, String),
    pub(crate) sealed: Sealed,
    pub(crate) created_at: Timestamp,
    pub(crate) kms_key_id: Option<String>,
}

/// A value as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Sealed {
    pub(crate) is_binary: bool,
    pub(crate) bytes: Vec<u8>,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed(***)")
    }
}

impl Row for VersionRow {
    type Key = (String, String);
    const TABLE: &'static str = "secretsmanager.version";

    fn key(&self) -> Self::Key {
        self.key.clone()
    }
}

/// All versions of a secret, by id.
pub(crate) fn versions<'s>(
    snapshot: &'s Snapshot,
    arn: &'s str,
) -> impl Iterator<Item = Arc<VersionRow>> + 's {
    let first = (arn.to_owned(), String::new());
    snapshot.range::<VersionRow>(first..).take_while(move |row| row.key.0 == arn)
}

/// All secrets of a place, by name.
pub(crate) fn secrets<'s>(
    snapshot: &'s Snapshot,
    account: &'s AccountId,
    region: &'s Region,
) -> impl Iterator<Item = Arc<SecretRow>> + 's {
    let first = (account.clone(), region.clone(), String::new());
    let here = move |row: &Arc<SecretRow>| row.key.0 == *account && row.key.1 == *region;
    snapshot.range::<SecretRow>(first..).take_while(here)
}

/// Removes a secret with all its versions.
pub(crate) fn remove(tx: &mut Tx, key: &Key) {
    let Some(row) = tx.remove::<SecretRow>(key) else { return };
    let versions: Vec<_> = versions(tx, &row.arn).map(|row| row.key.clone()).collect();
    for key in versions {
        tx.remove::<VersionRow>(&key);
    }
}

/// The room's tables, for the ledger.
pub fn tables() -> Tables {
    Tables::new().with::<SecretRow>().with::<VersionRow>()
}
