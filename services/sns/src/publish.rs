//! From a message to its deliveries: one for each subscription that wants it, on disk before the
//! publisher hears of it.

use std::sync::Arc;

use haar_courier::{Errand as _, GivenUp, Lane, Letter};
use haar_kernel::Call;
use haar_kv::Batch;
use haar_types::Timestamp;
use haar_wire::AwsError;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::Sns;
use crate::archive::Kept;
use crate::refusal::broken;
use crate::rules::filter;
use crate::rules::message::Message;
use crate::state::{SubscriptionKey, SubscriptionRow, TopicKey, TopicRow, of_topic};

/// One message on its way to one subscriber.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) what: What,
    /// The base of this haar's addresses as the publisher sees them.
    pub(crate) endpoint: String,
    pub(crate) at: Timestamp,
    /// Set where only the dead letter is still to be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) given_up: Option<GivenUp>,
}

impl Delivery {
    pub(crate) fn new(what: What, endpoint: String, at: Timestamp) -> Self {
        Self { what, endpoint, at, given_up: None }
    }
}

/// What is delivered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum What {
    /// A message of a topic.
    Notification {
        subscription: SubscriptionKey,
        message: Arc<Message>,
        sequence_number: Option<String>,
        /// It comes out of the topic's archive.
        #[serde(default)]
        is_replayed: bool,
    },
    /// Messages of the topic's archive that a subscription gets again.
    Replay { subscription: SubscriptionKey, id: String },
    /// The question whether an endpoint wants to be subscribed.
    Confirmation { subscription: SubscriptionKey, message_id: String },
    /// A message to a device or a phone, without a topic.
    Direct { owner: TopicKey, protocol: String, endpoint: String, message: Arc<Message> },
}

/// A [`Delivery`] of a message as it is written: the message's text is made once for all.
#[derive(Serialize)]
struct Written<'a> {
    what: WrittenWhat<'a>,
    endpoint: &'a str,
    at: Timestamp,
}

/// As [`What`] has it.
#[derive(Serialize)]
enum WrittenWhat<'a> {
    Notification {
        subscription: &'a SubscriptionKey,
        message: &'a RawValue,
        sequence_number: Option<&'a str>,
    },
}

/// What a publisher is told.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub(crate) message_id: String,
    pub(crate) sequence_number: Option<String>,
}

impl Sns {
    /// Takes messages of a topic. Not on disk until kv is synced.
    pub(crate) fn accept(
        &self,
        call: &Call,
        topic: &TopicRow,
        message: Message,
    ) -> Result<Accepted, AwsError> {
        let size = message.size();
        let accepted = match topic.settings.is_fifo {
            true => self.accept_in_order(call, topic, message)?,
            false => {
                let message = Arc::new(message);
                let mut batch = Batch::new();
                let snapshot = self.doors.ledger.snapshot();
                let letters =
                    self.letters(of_topic(&snapshot, &topic.key), call, topic, &message, None);
                let staged = self.courier()?.stage(&mut batch, letters);
                self.doors.kv.apply(batch).map_err(broken)?;
                self.courier()?.dispatch(staged);
                Accepted { message_id: message.message_id.clone(), sequence_number: None }
            }
        };
        self.metrics.published(&topic.key, topic.settings.is_fifo, call.now, size);
        Ok(accepted)
    }

    /// The same for a FIFO topic: numbered and staged under one lock, so that lanes have
    /// messages in the order of their numbers.
    fn accept_in_order(
        &self,
        call: &Call,
        topic: &TopicRow,
        message: Message,
    ) -> Result<Accepted, AwsError> {
        let id = message.deduplication.clone().unwrap_or_default();
        let key = match &message.group {
            Some(group) if topic.settings.dedup_by_group => format!("{group}\u{0}{id}"),
            _ => id,
        };
        let mut turn = self.ordered.turn().map_err(broken)?;
        if let Some(known) = self.ordered.find(topic.id, &key, call.now).map_err(broken)? {
            return Ok(Accepted {
                message_id: known.message_id,
                sequence_number: Some(known.sequence_number),
            });
        }
        let mut batch = Batch::new();
        let place = (topic.id, key.as_str());
        let number = self.ordered.note(&mut turn, &mut batch, place, &message.message_id, call.now);
        let message = Arc::new(message);
        if topic.settings.archive.is_some() {
            let number = number.parse().unwrap_or(0);
            let (at, endpoint) = (call.now, call.endpoint.to_string());
            let kept = Kept { number, at, endpoint, message: Arc::clone(&message) };
            self.archive.note(&mut batch, topic, &kept).map_err(broken)?;
            let metric = "NumberOfMessagesArchiveProcessing";
            self.metrics.add(&topic.key, call.now, metric, 1.0);
        }
        let mut rows = Vec::new();
        match topic.settings.archive {
            // within the turn, a replay's end counts from its commit on, not from the disk on
            Some(_) => {
                drop(self.doors.ledger.write(|tx| rows = of_topic(tx, &topic.key).collect()));
            }
            None => rows = of_topic(&self.doors.ledger.snapshot(), &topic.key).collect(),
        }
        let letters = self.letters(rows, call, topic, &message, Some(&number));
        let staged = self.courier()?.stage(&mut batch, letters);
        self.doors.kv.apply(batch).map_err(broken)?;
        self.courier()?.dispatch(staged);
        drop(turn);
        Ok(Accepted { message_id: message.message_id.clone(), sequence_number: Some(number) })
    }

    /// A letter for each subscription that wants the message.
    fn letters(
        &self,
        rows: impl IntoIterator<Item = Arc<SubscriptionRow>>,
        call: &Call,
        topic: &TopicRow,
        message: &Arc<Message>,
        sequence_number: Option<&str>,
    ) -> Vec<Letter> {
        let confirmed = rows.into_iter().filter(|row| !row.is_pending() && row.takes_new(call.now));
        let wanting = confirmed.filter(|row| {
            let wants = self.wants(row, message);
            if !wants {
                let metric = "NumberOfNotificationsFilteredOut";
                self.metrics.add(&topic.key, call.now, metric, 1.0);
            }
            wants
        });
        let text = to_raw_value(&**message).expect("plain data encode");
        let letter = |row: Arc<SubscriptionRow>| {
            let lane = match &message.group {
                Some(group) if topic.settings.is_fifo => {
                    Lane::Ordered(format!("{}\u{0}{group}", row.key.arn()))
                }
                _ => Lane::Shared(format!("{} {}", row.protocol, row.endpoint)),
            };
            let subscription = &row.key;
            let what = WrittenWhat::Notification { subscription, message: &text, sequence_number };
            let written = Written { what, endpoint: &call.endpoint, at: call.now };
            let payload = serde_json::to_vec(&written).expect("plain data encode");
            Letter::new(&row.owner, lane, payload)
        };
        wanting.map(letter).collect()
    }

    pub(crate) fn wants(&self, row: &SubscriptionRow, message: &Message) -> bool {
        let Some(text) = &row.choices.filter_policy else { return true };
        let scope = row.choices.filter_scope;
        let pattern = self.pattern(text, scope);
        pattern.is_some_and(|pattern| filter::wants(&pattern, scope, message))
    }

    /// Sends one thing by itself; it is on disk when this resolves.
    pub(crate) async fn send(&self, call: &Call, lane: Lane, what: What) -> Result<(), AwsError> {
        let letter = letter(call, lane, what);
        self.courier()?.send([letter]).await.map_err(broken)
    }
}

fn letter(call: &Call, lane: Lane, what: What) -> Letter {
    let delivery = Delivery::new(what, call.endpoint.to_string(), call.now);
    Letter::new(&call.account, lane, delivery.to_payload())
}
