//! Topics.

use haar_ledger::Row;
use haar_types::{AccountId, Arn, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use crate::rules::topic::Settings;

/// Whose a topic is, where, and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct TopicKey {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) name: String,
}

impl TopicKey {
    /// `arn:aws:sns:REGION:ACCOUNT:NAME`.
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:sns:{}:{}:{}", self.region, self.account, self.name)
    }

    /// The topic that an ARN names, or whose subscription it names.
    pub(crate) fn of_arn(text: &str) -> Option<Self> {
        let arn: Arn = text.parse().ok()?;
        let name = arn.resource().split(':').next()?;
        let is_topic = arn.service() == "sns" && !name.is_empty() && !name.contains('/');
        let key = Self {
            account: arn.account().parse().ok()?,
            region: arn.region().parse().ok()?,
            name: name.to_owned(),
        };
        is_topic.then_some(key)
    }
}

/// A topic. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TopicRow {
    pub(crate) key: TopicKey,
    /// This incarnation's.
    pub(crate) id: u64,
    pub(crate) settings: Settings,
    pub(crate) tags: Tags,
    pub(crate) data_protection: Option<String>,
    /// Since when its messages are kept.
    #[serde(default)]
    pub(crate) archived_since: Option<Timestamp>,
    /// Subscriptions that were there once.
    pub(crate) unsubscribed_count: u64,
}

impl Row for TopicRow {
    type Key = TopicKey;
    const TABLE: &'static str = "sns.topic";

    fn key(&self) -> TopicKey {
        self.key.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if old.settings.is_fifo != new.settings.is_fifo => {
                Err("a topic keeps its type".to_owned())
            }
            _ => Ok(()),
        }
    }
}
