//! Subscriptions.

use haar_ledger::{Row, Snapshot};
use haar_types::AccountId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::TopicKey;
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
}

impl SubscriptionRow {
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
