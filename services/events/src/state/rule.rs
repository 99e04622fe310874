//! Rules, with their targets.

use haar_events_contract::model::{RuleState, Target};
use haar_ledger::{IndexEntry, Row};
use haar_types::{AccountId, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::RuleKey;

/// A rule. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RuleRow {
    pub(crate) key: RuleKey,
    /// As it was given.
    pub(crate) pattern: Option<String>,
    /// As it was given.
    pub(crate) schedule: Option<String>,
    /// From when on the schedule runs: each change of it and each enabling begins it anew.
    pub(crate) schedule_from: Timestamp,
    pub(crate) state: RuleState,
    pub(crate) description: Option<String>,
    pub(crate) role_arn: Option<String>,
    pub(crate) created_by: AccountId,
    pub(crate) tags: Tags,
    /// By id.
    pub(crate) targets: Vec<Target>,
}

impl RuleRow {
    pub(crate) fn is_enabled(&self) -> bool {
        self.state != RuleState::Disabled
    }
}

impl Row for RuleRow {
    type Key = RuleKey;
    const TABLE: &'static str = "events.rule";

    fn key(&self) -> RuleKey {
        self.key.clone()
    }

    /// `scheduled`: rules that send by themselves.
    fn indexes(&self) -> Vec<IndexEntry> {
        self.schedule.iter().map(|_| IndexEntry::new("scheduled", "")).collect()
    }
}
