//! Enhanced fan-out: records are pushed as they come.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use haar_clock::Moment;
use haar_kernel::{Answer, Call, Flow};
use haar_kinesis_contract::{
    ConsumerStatus, SubscribeToShard, SubscribeToShardEvent, SubscribeToShardEventStream,
    SubscribeToShardInput, SubscribeToShardOutput,
};
use haar_wire::{AwsError, EventStream};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::iterator::{Wanted, begin};
use crate::Kinesis;
use crate::lookup::{find_consumer, find_shard, find_stream};
use crate::read::Opened;
use crate::refusal::{in_use, no_consumer};
use crate::render::{record, shard_id};
use crate::rules::iterator::Iterator as Place;
use crate::rules::sequence::Sequence;
use crate::state::{ConsumerKey, ConsumerRow};

/// A subscription ends after five minutes. AWS docs: *SubscribeToShard*.
const SESSION_MAX: Duration = Duration::from_secs(300);
/// A second subscription is refused so soon after the first; later it takes its place. AWS
/// docs: the same page.
const TAKEN_FOR: Duration = Duration::from_secs(5);
/// How often a subscription hears of it that nothing came. *Ours*: AWS documents no interval.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Bytes of an event: what a consumer gets of a shard in a second.
const EVENT_BYTES: usize = 2 << 20;
const EVENT_RECORDS: usize = 10_000;

/// Who is subscribed, by the consumer's ARN and the shard.
#[derive(Default)]
pub(crate) struct Subscriptions(Mutex<BTreeMap<(String, u32), Subscribed>>);

/// Since when, and what tells the subscription to end.
type Subscribed = (Moment, watch::Sender<bool>);

impl Subscriptions {
    /// Takes the place of an earlier subscription, unless that has only just begun.
    fn take(&self, key: (String, u32), now: Moment) -> Option<watch::Receiver<bool>> {
        let mut all = self.0.lock();
        if let Some((since, ended)) = all.get(&key)
            && ended.receiver_count() > 0
            && now.since(*since) < TAKEN_FOR
        {
            return None;
        }
        all.retain(|_, (_, ended)| ended.receiver_count() > 0);
        let (ended, told) = watch::channel(false);
        if let Some((_, earlier)) = all.insert(key, (now, ended)) {
            earlier.send_replace(true);
        }
        Some(told)
    }

    /// Ends all subscriptions.
    pub(crate) fn forget(&self) {
        for (_, ended) in std::mem::take(&mut *self.0.lock()).into_values() {
            ended.send_replace(true);
        }
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > SubscribeToShard*.
impl Flow<SubscribeToShard> for Kinesis {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: SubscribeToShardInput,
    ) -> Answer<SubscribeToShard> {
        let snapshot = self.doors.ledger.snapshot();
        let arn = input.consumer_arn.as_str();
        let consumer = find_consumer(&snapshot, &call, Some(arn), None, None)?;
        if consumer.status != ConsumerStatus::Active {
            let (name, status) = (&consumer.key.name, consumer.status);
            return Err(in_use(format!("Consumer {name} not ACTIVE, instead in state {status}")));
        }
        let stream = find_stream(&snapshot, &consumer.key.stream)?;
        let shard = find_shard(&snapshot, &stream, &input.shard_id)?;
        let tip = self.tip(&shard)?;
        let opened = Opened { snapshot, stream, shard, tip };
        let position = &input.starting_position;
        let wanted = Wanted {
            kind: position.r#type,
            sequence: position.sequence_number.as_deref(),
            timestamp: position.timestamp,
        };
        let from = begin("SubscribeToShard", &opened, &wanted, call.now)?;
        let now = self.doors.clock.moment();
        let consumer_arn = input.consumer_arn.clone();
        let key = (input.consumer_arn, opened.shard.key.number);
        let ended = self.subscriptions.take(key, now).ok_or_else(|| {
            in_use(format!(
                "Another active subscription exists for this consumer: shard {} in stream {}.",
                shard_id(opened.shard.key.number),
                opened.stream.key.name
            ))
        })?;
        let place = Place {
            stream: opened.stream.key.clone(),
            id: opened.stream.id,
            shard: opened.shard.key.number,
            from,
            minted_at: call.now,
        };
        let grown = opened.tip.grown.subscribe();
        let ends_at = now.after(SESSION_MAX);
        let session = Session {
            consumer: consumer.key.clone(),
            consumer_arn,
            next_at: now,
            room: self,
            place: Some(place),
            grown,
            ended,
            ends_at,
            is_first: true,
        };
        let events = stream::unfold(session, |mut session| async move {
            let event = session.next().await?;
            Some((event, session))
        });
        Ok(SubscribeToShardOutput { event_stream: EventStream::new(events) })
    }
}

struct Session {
    room: Arc<Kinesis>,
    consumer: ConsumerKey,
    consumer_arn: String,
    /// Where the next event begins; `None` behind the last.
    place: Option<Place>,
    grown: watch::Receiver<u64>,
    ended: watch::Receiver<bool>,
    ends_at: Moment,
    /// When the consumer's share of the shard allows for more.
    next_at: Moment,
    is_first: bool,
}

impl Session {
    async fn next(&mut self) -> Option<Result<SubscribeToShardEventStream, AwsError>> {
        let mut waited = std::mem::take(&mut self.is_first);
        self.keep_pace().await;
        loop {
            self.grown.mark_unchanged();
            match self.look(waited)? {
                Ok(Some(event)) => {
                    return Some(Ok(SubscribeToShardEventStream::SubscribeToShardEvent(event)));
                }
                Ok(None) => {}
                Err(error) => {
                    self.place = None;
                    return Some(Err(error));
                }
            }
            let clock = self.room.doors.clock.clone();
            let beat = clock.moment().after(HEARTBEAT).min(self.ends_at);
            tokio::select! {
                _ = self.ended.changed() => return None,
                () = clock.sleep_until(beat) => waited = true,
                changed = self.grown.changed() => {
                    // The stream is gone; looking again tells so.
                    waited = changed.is_err();
                }
            }
            if clock.moment() >= self.ends_at {
                return None;
            }
        }
    }

    /// Two MiB a second go to a consumer from a shard.
    async fn keep_pace(&mut self) {
        let clock = self.room.doors.clock.clone();
        tokio::select! {
            _ = self.ended.changed() => {}
            () = clock.sleep_until(self.next_at.min(self.ends_at)) => {}
        }
    }

    /// Refuses what a consumer asks for that was deregistered meanwhile.
    fn check_consumer(&self, opened: &Opened) -> Result<(), AwsError> {
        let row = opened.snapshot.get::<ConsumerRow>(&self.consumer);
        let stays = |row: &ConsumerRow| {
            row.status == ConsumerStatus::Active && row.arn() == self.consumer_arn
        };
        match row.is_some_and(|row| stays(&row)) {
            true => Ok(()),
            false => Err(no_consumer(&self.consumer_arn, &self.consumer.stream.account)),
        }
    }

    /// What is new, or that nothing is where somebody has waited for long.
    #[allow(clippy::type_complexity)]
    fn look(&mut self, waited: bool) -> Option<Result<Option<SubscribeToShardEvent>, AwsError>> {
        let place = self.place.as_ref()?;
        let now = self.room.doors.clock.now();
        let opened = self.room.open_place(place).and_then(|opened| {
            self.check_consumer(&opened)?;
            Ok(opened)
        });
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => return Some(Err(error)),
        };
        let limits = (EVENT_RECORDS, EVENT_BYTES);
        let portion = match self.room.portion(&opened, place.from, limits, now) {
            Ok(portion) => portion,
            Err(error) => return Some(Err(error)),
        };
        if portion.records.is_empty() && portion.children.is_none() && !waited {
            return Some(Ok(None));
        }
        let last = portion.records.last().map(|record| record.sequence);
        let before = Sequence::new(place.from.tick().saturating_sub(1), place.shard);
        let continuation = last.unwrap_or(before.max(opened.shard.start));
        let values = [
            ("SubscribeToShardEvent.Bytes", "Bytes", portion.bytes as f64),
            ("SubscribeToShardEvent.Records", "Count", portion.records.len() as f64),
            ("SubscribeToShardEvent.Success", "Count", 1.0),
            ("SubscribeToShardEvent.MillisBehindLatest", "Milliseconds", portion.behind_ms as f64),
        ];
        self.room.observe(&opened.stream, &values, now);
        self.room.bill_read(&opened.stream, portion.bytes, true, now);
        let share = Duration::from_secs_f64(portion.bytes as f64 / EVENT_BYTES as f64);
        self.next_at = self.room.doors.clock.moment().after(share);
        self.place = portion.next.map(|from| Place { from, ..place.clone() });
        Some(Ok(Some(SubscribeToShardEvent {
            records: portion.records.into_iter().map(record).collect(),
            continuation_sequence_number: continuation.text(),
            millis_behind_latest: portion.behind_ms,
            child_shards: portion.children,
        })))
    }
}
