//! Clusters.

use haar_ecs_contract::model::{CapacityProviderStrategyItem, ClusterConfiguration};
use haar_ledger::Row;
use haar_types::Tags;
use serde::{Deserialize, Serialize};

use super::ClusterKey;

/// A cluster. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClusterRow {
    /// Key.
    pub key: ClusterKey,
    /// False once deleted: `INACTIVE`. A deleted cluster may be made anew.
    pub is_active: bool,
    /// The setting `containerInsights`: `disabled`, `enabled` or `enhanced`.
    pub container_insights: String,
    /// As given.
    pub configuration: Option<ClusterConfiguration>,
    /// The default namespace of Service Connect; kept, of no effect.
    pub service_connect_namespace: Option<String>,
    /// `FARGATE`, `FARGATE_SPOT`.
    pub capacity_providers: Vec<String>,
    /// Used where a call names neither launch type nor strategy.
    pub default_strategy: Vec<CapacityProviderStrategyItem>,
    /// Its tags.
    pub tags: Tags,
}

impl Row for ClusterRow {
    type Key = ClusterKey;
    const TABLE: &'static str = "ecs.cluster";

    fn key(&self) -> ClusterKey {
        self.key.clone()
    }

    fn check(_old: Option<&Self>, new: &Self) -> Result<(), String> {
        let strange = new
            .default_strategy
            .iter()
            .find(|item| !new.capacity_providers.contains(&item.capacity_provider));
        match strange {
            Some(item) => Err(format!("{} is not the cluster's", item.capacity_provider)),
            None => Ok(()),
        }
    }
}
