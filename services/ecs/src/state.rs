//! The room's tables.

mod account;
mod cluster;
mod definition;
mod deployment;
mod keys;
mod service;
mod task;

pub use account::{LogPositionRow, MeterRow, SettingRow, TokenRow};
pub use cluster::ClusterRow;
pub use definition::{DefinitionRow, FamilyRow};
pub use deployment::{Breaker, DeploymentRow, RevisionRow, RollbackFacts};
pub use keys::{ClusterKey, DefinitionKey, ServiceKey, ServicePartKey, TaskKey};
pub use service::{Event, Rollout, ServiceRow, ServiceStatus, Target};
pub(crate) use task::sandbox_name;
pub use task::{Health, Stop, TaskContainer, TaskInterface, TaskRow, TaskStatus, TaskTimes};

use haar_ledger::Tables;

/// The room's tables, for the ledger.
pub fn tables() -> Tables {
    Tables::new()
        .with::<ClusterRow>()
        .with::<DefinitionRow>()
        .with::<DeploymentRow>()
        .with::<FamilyRow>()
        .with::<LogPositionRow>()
        .with::<MeterRow>()
        .with::<RevisionRow>()
        .with::<ServiceRow>()
        .with::<SettingRow>()
        .with::<TaskRow>()
        .with::<TokenRow>()
}
