//! Task definitions and their families.

use haar_ecs_contract::model::{TaskDefinition, TaskDefinitionStatus};
use haar_ledger::{IndexEntry, Row};
use haar_types::{AccountId, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::DefinitionKey;

/// One revision of a task definition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DefinitionRow {
    /// Key.
    pub key: DefinitionKey,
    /// What was registered, with AWS's defaults put in; never changes.
    pub definition: TaskDefinition,
    /// Writer: operations; removed by the sweeper once `DeleteInProgress` and out of use.
    pub status: TaskDefinitionStatus,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// Who registered it.
    pub registered_by: String,
    /// When it became inactive.
    pub deregistered_at: Option<Timestamp>,
    /// When its deletion was asked for.
    pub delete_requested_at: Option<Timestamp>,
    /// Its tags.
    pub tags: Tags,
}

impl Row for DefinitionRow {
    type Key = DefinitionKey;
    const TABLE: &'static str = "ecs.task-definition";

    fn key(&self) -> DefinitionKey {
        self.key.clone()
    }

    /// `Active`, `Inactive`, `DeleteInProgress`: only ever down the list, and the content stays.
    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if new.status < old.status => {
                Err(format!("{:?} after {:?}", new.status, old.status))
            }
            Some(old) if new.definition != old.definition => {
                Err(format!("the content of {} changed", new.key))
            }
            _ => Ok(()),
        }
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        let being_deleted = self.status == TaskDefinitionStatus::DeleteInProgress;
        being_deleted.then(|| IndexEntry::new("deleting", "")).into_iter().collect()
    }
}

/// A family: remembers its highest revision, so that none is given twice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FamilyRow {
    /// Key: owner, place, name.
    pub key: (AccountId, Region, String),
    /// The highest revision so far.
    pub last_revision: u32,
}

impl Row for FamilyRow {
    type Key = (AccountId, Region, String);
    const TABLE: &'static str = "ecs.family";

    fn key(&self) -> Self::Key {
        self.key.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if new.last_revision <= old.last_revision => {
                Err(format!("revision {} after {}", new.last_revision, old.last_revision))
            }
            _ => Ok(()),
        }
    }
}
