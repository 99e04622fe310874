//! The room's tables.

use haar_kernel::Call;
use haar_ledger::{Row, Tables};
use haar_scheduler_contract::model::{
    ActionAfterCompletion, FlexibleTimeWindow, ScheduleState, Target,
};
use haar_types::{AccountId, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

/// The group that every account has.
pub(crate) const DEFAULT_GROUP: &str = "default";

/// Names a schedule group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct GroupKey {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) name: String,
}

impl GroupKey {
    /// A group of the caller's; nothing is the default group.
    pub(crate) fn own(call: &Call, name: Option<&str>) -> Self {
        let name = name.unwrap_or(DEFAULT_GROUP).to_owned();
        Self { account: call.account.clone(), region: call.region.clone(), name }
    }

    pub(crate) fn arn(&self) -> String {
        let Self { account, region, name } = self;
        format!("arn:aws:scheduler:{region}:{account}:schedule-group/{name}")
    }

    /// Reads a group's ARN.
    pub(crate) fn of_arn(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':').skip(2);
        let (service, region) = (parts.next()?, parts.next()?.parse().ok()?);
        let account = parts.next()?.parse().ok()?;
        let name = parts.next()?.strip_prefix("schedule-group/")?;
        (service == "scheduler").then(|| Self { account, region, name: name.to_owned() })
    }
}

/// Names a schedule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ScheduleKey {
    pub(crate) group: GroupKey,
    pub(crate) name: String,
}

impl ScheduleKey {
    pub(crate) fn arn(&self) -> String {
        let GroupKey { account, region, name: group } = &self.group;
        format!("arn:aws:scheduler:{region}:{account}:schedule/{group}/{}", self.name)
    }
}

/// A schedule group. The default group has a row once it has tags. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GroupRow {
    pub(crate) key: GroupKey,
    pub(crate) tags: Tags,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
}

impl Row for GroupRow {
    type Key = GroupKey;
    const TABLE: &'static str = "scheduler.group";

    fn key(&self) -> GroupKey {
        self.key.clone()
    }
}

/// A schedule. Writer: operations; `timing` removes what has completed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ScheduleRow {
    pub(crate) key: ScheduleKey,
    pub(crate) expression: String,
    /// A name of the tz database; `None`: UTC.
    pub(crate) timezone: Option<String>,
    pub(crate) start: Option<Timestamp>,
    pub(crate) end: Option<Timestamp>,
    pub(crate) window: FlexibleTimeWindow,
    pub(crate) target: Target,
    pub(crate) description: Option<String>,
    pub(crate) state: ScheduleState,
    /// Kept and shown.
    pub(crate) kms_key: Option<String>,
    pub(crate) after_completion: ActionAfterCompletion,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
    /// From when on it runs: each change of its times and each enabling begins it anew.
    pub(crate) runs_from: Timestamp,
}

impl Row for ScheduleRow {
    type Key = ScheduleKey;
    const TABLE: &'static str = "scheduler.schedule";

    fn key(&self) -> ScheduleKey {
        self.key.clone()
    }
}

/// The room's tables, for the ledger.
pub fn tables() -> Tables {
    Tables::new().with::<GroupRow>().with::<ScheduleRow>()
}
