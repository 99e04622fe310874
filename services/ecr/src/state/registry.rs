//! Registries: what an account has set for a region.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use haar_ecr_contract::model::{RegistryScanningConfiguration, ReplicationConfiguration};
use haar_ecr_contract::peek::RegistryName;
use haar_kernel::Call;
use haar_ledger::{Row, Snapshot};
use haar_types::{AccountId, Region, Timestamp};
use serde::{Deserialize, Serialize};

use super::{RepositoryKey, RepositoryRow};

/// Names a registry: an account's in a region. AWS calls the account its registry id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct RegistryKey {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
}

impl RegistryKey {
    /// The caller's registry, or that of the account which it names.
    pub(crate) fn of(call: &Call, registry_id: Option<&str>) -> Self {
        let named = registry_id.and_then(|id| id.parse().ok());
        let account = named.unwrap_or_else(|| call.account.clone());
        Self { account, region: call.region.clone() }
    }

    /// A repository of this registry.
    pub(crate) fn repository(&self, name: &str) -> RepositoryKey {
        RepositoryKey { registry: self.clone(), name: name.to_owned() }
    }

    /// The registry's row, or what holds before anything is set.
    pub(crate) fn row(&self, snapshot: &Snapshot) -> RegistryRow {
        let found = snapshot.get::<RegistryRow>(self);
        found.map_or_else(|| RegistryRow::new(self.clone()), |row| (*row).clone())
    }

    /// All repositories, by name.
    pub(crate) fn repositories<'a>(
        &'a self,
        snapshot: &'a Snapshot,
    ) -> impl Iterator<Item = std::sync::Arc<RepositoryRow>> + 'a {
        let rows = snapshot.range::<RepositoryRow>(self.repository("")..);
        rows.take_while(|row| row.key.registry == *self)
    }

    /// All keys that consist of this registry and a text.
    pub(crate) fn texts(&self) -> RangeInclusive<(Self, String)> {
        (self.clone(), String::new())..=(self.clone(), char::MAX.to_string())
    }
}

impl From<&RegistryName> for RegistryKey {
    fn from(name: &RegistryName) -> Self {
        Self { account: name.account.clone(), region: name.region.clone() }
    }
}

/// One registry's settings. Writer: operations. There is no row before the first setting.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RegistryRow {
    pub(crate) key: RegistryKey,
    /// Who may replicate into it and create repositories in it.
    pub(crate) policy: Option<String>,
    pub(crate) replication: Option<ReplicationConfiguration>,
    pub(crate) scanning: Option<RegistryScanningConfiguration>,
    /// Account settings that were changed, by name.
    pub(crate) settings: BTreeMap<String, String>,
    /// Principals whose pulls are not dated, since when.
    pub(crate) pull_time_exclusions: BTreeMap<String, Timestamp>,
}

impl RegistryRow {
    pub(crate) fn new(key: RegistryKey) -> Self {
        Self {
            key,
            policy: None,
            replication: None,
            scanning: None,
            settings: BTreeMap::new(),
            pull_time_exclusions: BTreeMap::new(),
        }
    }
}

impl Row for RegistryRow {
    type Key = RegistryKey;
    const TABLE: &'static str = "ecr.registry";

    fn key(&self) -> RegistryKey {
        self.key.clone()
    }
}
