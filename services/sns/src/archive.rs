//! Messages that FIFO topics keep, to send them again.
//!
//! A message stands in the archive in the batch that numbers it. **Invariant:** a subscription
//! that replays gets what is published meanwhile out of the archive too: it comes to its end, and
//! begins to take new messages, while nobody publishes.

use std::sync::Arc;
use std::time::Duration;

use haar_courier::{Errand as _, Lane, Letter, Verdict};
use haar_kernel::unwritten;
use haar_kv::{Batch, Keyspace, Kv, KvError};
use haar_types::Timestamp;
use haar_wire::AwsError;
use serde::{Deserialize, Serialize};

use crate::Sns;
use crate::ordered::first_number;
use crate::publish::{Delivery, What};
use crate::refusal::broken;
use crate::rules::archive::{self, Wanted};
use crate::rules::message::Message;
use crate::state::{Replay, ReplayStatus, SubscriptionKey, SubscriptionRow, TopicRow};

/// Messages that are staged before it is on disk how far a replay came.
const PIECE: usize = 100;
/// Old messages that one new one removes at most.
const REMOVED_MAX: usize = 8;
/// How long a replay waits that could not go on. *Ours*.
const FAULT_WAIT: Duration = Duration::from_secs(20);

/// A message as it was published.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) number: u64,
    pub(crate) at: Timestamp,
    pub(crate) endpoint: String,
    pub(crate) message: Arc<Message>,
}

/// All topics' archives: a topic's id and a message's number name it.
pub(crate) struct Archive {
    messages: Keyspace,
}

impl Archive {
    pub(crate) fn open(kv: &Kv) -> Result<Self, KvError> {
        Ok(Self { messages: kv.keyspace("sns.archive")? })
    }

    /// Keeps a message of a topic that has an archive, and lets old ones go.
    pub(crate) fn note(
        &self,
        batch: &mut Batch,
        topic: &TopicRow,
        kept: &Kept,
    ) -> Result<(), KvError> {
        let Some(since) = topic.archive_begins(kept.at) else { return Ok(()) };
        for entry in self.messages.prefix(topic.id.to_be_bytes()).take(REMOVED_MAX) {
            let entry = entry?;
            if read(&entry.value).is_some_and(|old| old.at >= since) {
                break;
            }
            batch.remove(&self.messages, entry.key);
        }
        let value = serde_json::to_vec(kept).expect("plain data encode");
        batch.put(&self.messages, place(topic.id, kept.number), value);
        Ok(())
    }

    /// Some messages behind a number that are wanted, and whether there may be more.
    fn piece(
        &self,
        topic: &TopicRow,
        (after, wanted): (u64, Wanted),
        now: Timestamp,
    ) -> Result<Vec<Kept>, KvError> {
        let Some(since) = topic.archive_begins(now) else { return Ok(Vec::new()) };
        let from = wanted.from.max(since);
        let first = (after + 1).max(first_number(from));
        let behind = topic.id.checked_add(1).map_or(vec![0xff; 9], |id| id.to_be_bytes().to_vec());
        let mut piece = Vec::new();
        for entry in self.messages.range(place(topic.id, first)..behind) {
            let Some(kept) = read(&entry?.value).filter(|kept| kept.at >= from) else { continue };
            if piece.len() == PIECE || wanted.to.is_some_and(|to| kept.at > to) {
                break;
            }
            piece.push(kept);
        }
        Ok(piece)
    }

    /// Lets all messages of a topic go.
    pub(crate) async fn clear(&self, topic: u64) -> Result<(), KvError> {
        self.messages.clear_prefix(topic.to_be_bytes()).await.map(drop)
    }
}

fn place(topic: u64, number: u64) -> Vec<u8> {
    [topic.to_be_bytes(), number.to_be_bytes()].concat()
}

fn read(value: &[u8]) -> Option<Kept> {
    serde_json::from_slice(value).ok()
}

impl TopicRow {
    /// From when on its archive has messages; `None` where there is no archive.
    pub(crate) fn archive_begins(&self, now: Timestamp) -> Option<Timestamp> {
        let since = self.archived_since?;
        let kept_for = archive::kept_for(self.settings.archive.as_deref()?).ok().flatten()?;
        let oldest = Timestamp(now.0 - i64::try_from(kept_for.as_millis()).unwrap_or(i64::MAX));
        Some(since.max(oldest))
    }
}

impl Sns {
    /// Begins to carry a replay; that is on disk when this resolves.
    pub(crate) async fn begin_replay(&self, row: &SubscriptionRow) -> Result<(), AwsError> {
        let Some(replay) = row.replay.as_ref().filter(|replay| !replay.is_over()) else {
            return Ok(());
        };
        self.courier()?.send([self.letter_of_replay(row, replay)]).await.map_err(broken)
    }

    fn letter_of_replay(&self, row: &SubscriptionRow, replay: &Replay) -> Letter {
        let what = What::Replay { subscription: row.key.clone(), id: replay.id.clone() };
        let at = self.doors.clock.now();
        let delivery = Delivery::new(what, String::new(), at);
        let lane = Lane::Ordered(format!("{}\u{0}\u{0}", row.key.arn()));
        Letter::new(&row.owner, lane, delivery.to_payload())
    }

    /// Takes up replays again that were under way: who was to carry them may have died before.
    pub(crate) fn take_up_replays(&self) -> Result<(), KvError> {
        let Ok(courier) = self.courier() else { return Ok(()) };
        let snapshot = self.doors.ledger.snapshot();
        let letters: Vec<Letter> = snapshot
            .all::<SubscriptionRow>()
            .filter_map(|row| {
                let replay = row.replay.as_ref().filter(|replay| !replay.is_over())?;
                Some(self.letter_of_replay(&row, replay))
            })
            .collect();
        let mut batch = Batch::new();
        let staged = courier.stage(&mut batch, letters);
        self.doors.kv.apply(batch)?;
        courier.dispatch(staged);
        Ok(())
    }

    /// Carries a replay to its end.
    pub(crate) async fn replay(&self, subscription: &SubscriptionKey, id: &str) -> Verdict {
        loop {
            match self.replay_piece(subscription, id).await {
                Ok(true) => {}
                Ok(false) => return Verdict::Done,
                Err(error) => {
                    tracing::error!(%error, "messages of an archive wait to be sent again");
                    return Verdict::Retry(self.doors.settings.wait(FAULT_WAIT));
                }
            }
        }
    }

    /// Stages some messages again, and notes that they were; whether there may be more.
    async fn replay_piece(
        &self,
        subscription: &SubscriptionKey,
        id: &str,
    ) -> Result<bool, AwsError> {
        let snapshot = self.doors.ledger.snapshot();
        let row = snapshot.get::<SubscriptionRow>(subscription);
        let topic = snapshot.get::<TopicRow>(&subscription.topic);
        drop(snapshot);
        let Some((row, topic)) = row.zip(topic) else { return Ok(false) };
        let Some(replay) = row.replay.as_ref().filter(|it| it.id == id && !it.is_over()) else {
            return Ok(false); // another took its place, or it is over
        };
        let (now, wanted) = (self.doors.clock.now(), replay.wanted());
        let piece = self.archive.piece(&topic, (replay.after, wanted), now).map_err(broken)?;
        let Some(last) = piece.last().map(|kept| kept.number) else {
            return self.end_replay(&topic, subscription, (id, wanted)).await;
        };
        let mut batch = Batch::new();
        let letters = piece.iter().filter(|kept| self.wants(&row, &kept.message));
        let letters: Vec<Letter> = letters.map(|kept| letter_of(&row, kept)).collect();
        let staged = self.courier()?.stage(&mut batch, letters);
        self.doors.kv.apply(batch).map_err(broken)?;
        self.courier()?.dispatch(staged);
        self.doors.kv.sync().await.map_err(broken)?;
        self.note_replay(subscription, id, |replay| {
            (replay.status, replay.after) = (ReplayStatus::InProgress, last);
        })
        .await?;
        Ok(true)
    }

    /// Ends a replay, unless somebody published meanwhile.
    async fn end_replay(
        &self,
        topic: &TopicRow,
        subscription: &SubscriptionKey,
        (id, wanted): (&str, Wanted),
    ) -> Result<bool, AwsError> {
        let committed = {
            let _nobody_publishes = self.ordered.turn().map_err(broken)?;
            let row = self.doors.ledger.snapshot().get::<SubscriptionRow>(subscription);
            let after = row.and_then(|row| row.replay.as_ref().map(|replay| replay.after));
            let now = self.doors.clock.now();
            let more = self.archive.piece(topic, (after.unwrap_or(u64::MAX - 1), wanted), now);
            if !more.map_err(broken)?.is_empty() {
                return Ok(true);
            }
            self.doors.ledger.write(|tx| {
                tx.update::<SubscriptionRow>(subscription, |row| {
                    if let Some(replay) = row.replay.as_mut().filter(|replay| replay.id == id) {
                        replay.status = ReplayStatus::Completed;
                    }
                });
            })
        };
        committed.durable().await.map_err(unwritten)?;
        Ok(false)
    }

    async fn note_replay(
        &self,
        subscription: &SubscriptionKey,
        id: &str,
        change: impl Fn(&mut Replay),
    ) -> Result<(), AwsError> {
        let committed = self.doors.ledger.write(|tx| {
            tx.update::<SubscriptionRow>(subscription, |row| {
                if let Some(replay) = row.replay.as_mut().filter(|replay| replay.id == id) {
                    change(replay);
                }
            });
        });
        committed.durable().await.map_err(unwritten)
    }
}

/// A message again, in the lane of its group.
fn letter_of(row: &SubscriptionRow, kept: &Kept) -> Letter {
    let group = kept.message.group.as_deref().unwrap_or_default();
    let what = What::Notification {
        subscription: row.key.clone(),
        message: Arc::clone(&kept.message),
        sequence_number: Some(kept.number.to_string()),
        is_replayed: true,
    };
    let delivery = Delivery::new(what, kept.endpoint.clone(), kept.at);
    let lane = Lane::Ordered(format!("{}\u{0}{group}", row.key.arn()));
    Letter::new(&row.owner, lane, delivery.to_payload())
}
