//! Subscriptions.

use haar_ledger::{Row, Snapshot};
use haar_types::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::TopicKey;
use crate::rules::archive::Wanted;
use crate::rules::attributes::Choices;

/// A topic and a subscription's own id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct SubscriptionKey {
    pub(crate) topic: TopicKey,
    pub(crate) id: String,
}

impl SubscriptionKey {
    /// `arn:aws:sns:REGION:ACCOUNT:TOPIC:ID`.
    pub(crate) fn arn(&self) -> String {
        format!("{}:{}", self.topic.arn(), self.id)
    }

    /// The subscription that an ARN names.
    pub(crate) fn of_arn(arn: &str) -> Option<Self> {
        let (topic, id) = arn.rsplit_once(':')?;
        let is_one = topic.split(':').count() == 6 && !id.is_empty();
        let topic = TopicKey::of_arn(topic)?;
        is_one.then(|| Self { topic, id: id.to_owned() })
    }
}

/// A subscription. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SubscriptionRow {
    pub(crate) key: SubscriptionKey,
    /// Who subscribed.
    pub(crate) owner: AccountId,
    pub(crate) protocol: String,
    pub(crate) endpoint: String,
    pub(crate) choices: Choices,
    /// What confirms it; `None` once it is confirmed.
    pub(crate) token: Option<String>,
    /// The one who confirmed it was known.
    pub(crate) authenticated: bool,
    /// Only who is known may end it.
    pub(crate) guarded: bool,
    /// Messages of the topic's archive that it gets again. Writers: operations, the archive's carrier.
    #[serde(default)]
    pub(crate) replay: Option<Replay>,
}

/// How far messages are sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Replay {
    /// Its own: another may take its place.
    pub(crate) id: String,
    pub(crate) from: Timestamp,
    pub(crate) to: Option<Timestamp>,
    pub(crate) status: ReplayStatus,
    /// The number of the last message that is on its way.
    pub(crate) after: u64,
}

/// As AWS tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ReplayStatus {
    Pending,
    InProgress,
    Completed,
    Failed,
}

impl ReplayStatus {
    pub(crate) fn shown(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "In progress",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
        }
    }
}

impl Replay {
    /// One that is about to begin.
    pub(crate) fn new(id: String, wanted: Wanted) -> Self {
        let Wanted { from, to } = wanted;
        Self { id, from, to, status: ReplayStatus::Pending, after: 0 }
    }

    pub(crate) fn wanted(&self) -> Wanted {
        Wanted { from: self.from, to: self.to }
    }

    /// Whether nothing more comes out of the archive.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.status, ReplayStatus::Completed | ReplayStatus::Failed)
    }
}

impl SubscriptionRow {
    /// Whether it gets what is published now: what a replay under way has not come to, it gets out
    /// of the archive, and one that has an end is the last that it gets.
    pub(crate) fn takes_new(&self, now: Timestamp) -> bool {
        self.replay.as_ref().is_none_or(|replay| match replay.status {
            ReplayStatus::Pending | ReplayStatus::InProgress => false,
            ReplayStatus::Completed => replay.to.is_none_or(|to| now <= to),
            ReplayStatus::Failed => true,
        })
    }

    /// Whether it waits for its endpoint to confirm it.
    pub(crate) fn is_pending(&self) -> bool {
        self.token.is_some()
    }
}

impl Row for SubscriptionRow {
    type Key = SubscriptionKey;
    const TABLE: &'static str = "sns.subscription";

    fn key(&self) -> SubscriptionKey {
        self.key.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if !old.is_pending() && new.is_pending() => {
                Err("a confirmed subscription stays confirmed".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// A topic's subscriptions, by id.
pub(crate) fn of_topic<'a>(
    snapshot: &'a Snapshot,
    topic: &TopicKey,
) -> impl Iterator<Item = Arc<SubscriptionRow>> + use<'a> {
    let first = SubscriptionKey { topic: topic.clone(), id: String::new() };
    let topic = topic.clone();
    snapshot.range::<SubscriptionRow>(first..).take_while(move |row| row.key.topic == topic)
}
