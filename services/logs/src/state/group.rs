//! Log groups.

use std::time::Duration;

use haar_ledger::Row;
use haar_types::{AccountId, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use crate::rules::group_name::group_arn;
use crate::rules::retention;

/// Names a log group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct GroupKey {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) name: String,
}

impl GroupKey {
    /// Names a group in an account and region.
    pub(crate) fn new(account: &AccountId, region: &Region, name: &str) -> Self {
        Self { account: account.clone(), region: region.clone(), name: name.to_owned() }
    }

    /// The group's ARN, without the closing `:*`.
    pub(crate) fn arn(&self) -> String {
        group_arn(&self.account, &self.region, &self.name)
    }
}

/// What a group is for; decides on price and features on AWS, on retention here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum GroupClass {
    /// All features.
    #[default]
    Standard,
    /// Cheaper, on AWS.
    InfrequentAccess,
    /// Keeps events for a day.
    Delivery,
}

impl GroupClass {
    /// As AWS writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::InfrequentAccess => "INFREQUENT_ACCESS",
            Self::Delivery => "DELIVERY",
        }
    }

    /// Finds a class by its text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let all = [Self::Standard, Self::InfrequentAccess, Self::Delivery];
        all.into_iter().find(|class| class.as_str() == text)
    }
}

/// One log group. Writer: operations, and the sink for groups that do not exist yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GroupRow {
    /// Key.
    pub(crate) key: GroupKey,
    /// Names this incarnation in the keys of its events; a later group of the same name has
    /// another one.
    pub(crate) id: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) class: GroupClass,
    pub(crate) retention_in_days: Option<i32>,
    pub(crate) deletion_protection: bool,
    pub(crate) tags: Tags,
    /// Writer: `controllers::sweeper`. Events before it are gone.
    pub(crate) expired_before: Timestamp,
    /// The key that its events are said to be encrypted with; kept and shown.
    #[serde(default)]
    pub(crate) kms_key_id: Option<String>,
}

impl GroupRow {
    /// A group that is about to exist.
    pub(crate) fn new(key: GroupKey, id: u64, now: Timestamp) -> Self {
        Self {
            key,
            id,
            created_at: now,
            class: GroupClass::default(),
            retention_in_days: None,
            deletion_protection: false,
            tags: Tags::new(),
            expired_before: Timestamp(0),
            kms_key_id: None,
        }
    }

    /// For how long events are kept; None means for ever.
    pub(crate) fn retention(&self) -> Option<Duration> {
        match self.class {
            GroupClass::Delivery => Some(retention::DAY),
            _ => self.retention_in_days.map(retention::days),
        }
    }
}

impl Row for GroupRow {
    type Key = GroupKey;
    const TABLE: &'static str = "logs.group";

    fn key(&self) -> GroupKey {
        self.key.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if old.id == new.id && new.expired_before < old.expired_before => {
                Err("expired events come back".to_owned())
            }
            _ => Ok(()),
        }
    }
}
