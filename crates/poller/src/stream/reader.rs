//! Reading one shard and spreading its records over lanes.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::checkpoint::{Mark, order};
use super::lane::{Lane, run_lane};
use super::poller::Poller;
use super::{Portion, Position};
use crate::rules::shards::lane;
use crate::{Item, SourceError};

/// Records that are read ahead of a lane, in batches of its size, and at least so many.
const AHEAD_BATCHES: usize = 4;
const AHEAD_MIN: usize = 100;
const AHEAD_MAX: usize = 10_000;
/// Wait after the stream did not answer.
const REFUSED_WAIT: Duration = Duration::from_secs(1);
/// Time between two looks at least: a shard gives five answers a second.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A longest silence: then the place is asked for anew, before it is too old.
const SILENCE_MAX: Duration = Duration::from_secs(240);

/// Reads a shard to its end, or until it is time to stop; answers its id.
pub(super) async fn read_shard(poller: Arc<Poller>, shard: String) -> String {
    let mark = match poller.marks.get(&poller.name, &shard) {
        Ok(mark) => mark.unwrap_or_default(),
        Err(error) => {
            tracing::error!(%error, %shard, "a checkpoint could not be read; the shard waits");
            poller.pause(REFUSED_WAIT).await;
            return shard;
        }
    };
    let count = poller.settings.lanes.max(1);
    let mark = Arc::new(Mutex::new(mark.for_lanes(count)));
    let mut lanes = JoinSet::new();
    let mut senders = Vec::new();
    let ahead = (poller.settings.bounds.count_max * AHEAD_BATCHES).clamp(AHEAD_MIN, AHEAD_MAX);
    for number in 0..count {
        let (sender, records) = mpsc::channel(ahead);
        senders.push(sender);
        let (poller, mark, shard) = (Arc::clone(&poller), Arc::clone(&mark), shard.clone());
        lanes.spawn(run_lane(Lane { poller, shard, number, mark }, records));
    }
    let reader = Reader { poller: Arc::clone(&poller), shard: shard.clone(), senders };
    let is_over = reader.run(&mark).await;
    drop(reader); // the lanes work off what they have
    let mut all_done = true;
    while let Some(ended) = lanes.join_next().await {
        all_done &= ended.unwrap_or(false);
    }
    if is_over && all_done && !poller.stop.is_cancelled() {
        let mut mark = mark.lock();
        mark.is_finished = true;
        save(&poller, &shard, &mark);
    }
    shard
}

/// Writes a shard's checkpoint.
pub(super) fn save(poller: &Poller, shard: &str, mark: &Mark) {
    if let Err(error) = poller.marks.put(&poller.name, shard, mark) {
        tracing::error!(%error, %shard, "a checkpoint was not written; its records come again");
    }
}

struct Reader {
    poller: Arc<Poller>,
    shard: String,
    senders: Vec<mpsc::Sender<Item>>,
}

impl Reader {
    /// Reads until the shard's end (true) or until it is time to stop.
    async fn run(&self, mark: &Mutex<Mark>) -> bool {
        let (mut position, done) = {
            let mark = mark.lock();
            let began = mark.began.as_ref().map_or(Position::Horizon, |it| it.position());
            (mark.least().map_or(began, Position::After), mark.lanes.clone())
        };
        let mut place: Option<String> = None;
        loop {
            let grown = self.poller.stream.grown();
            let looked_at = self.poller.clock.moment();
            let portion = tokio::select! {
                biased;
                () = self.poller.stop.cancelled() => return false,
                portion = self.portion(&mut place, &position) => portion,
            };
            let portion = match portion {
                Ok(portion) => portion,
                Err(SourceError::Expired) => {
                    place = None;
                    continue;
                }
                Err(error) => {
                    if let SourceError::Refused(reason) = &error {
                        self.poller.consumer.note(&format!("PROBLEM: {reason}"));
                        place = None;
                    }
                    self.poller.pause(REFUSED_WAIT).await;
                    continue;
                }
            };
            if let Some(last) = portion.items.last() {
                position = Position::After(last.id.clone());
            }
            let (is_empty, is_over) = (portion.items.is_empty(), portion.next.is_none());
            if !self.spread(portion.items, &done).await {
                return false;
            }
            if is_over {
                return true;
            }
            if is_empty && !self.wait(grown).await {
                place = None;
            }
            self.poller.clock.sleep_until(looked_at.after(LOOK_EVERY)).await;
        }
    }

    async fn portion(
        &self,
        place: &mut Option<String>,
        position: &Position,
    ) -> Result<Portion, SourceError> {
        let stream = &self.poller.stream;
        let from = match place.take() {
            Some(place) => place,
            None => stream.place(&self.shard, position).await?,
        };
        *place = Some(from.clone());
        let portion = stream.read(&self.shard, &from, AHEAD_MAX).await?;
        place.clone_from(&portion.next);
        Ok(portion)
    }

    /// Gives each record to its lane, unless that is done with it; false when it is time to
    /// stop. Waits where a lane is far behind.
    async fn spread(&self, items: Vec<Item>, done: &[Option<String>]) -> bool {
        for item in items {
            let number = lane(&item.group, self.senders.len());
            let is_done = done[number].as_ref().is_some_and(|last| order(&item.id, last).is_le());
            if is_done {
                continue;
            }
            tokio::select! {
                biased;
                () = self.poller.stop.cancelled() => return false,
                sent = self.senders[number].send(item) => {
                    if sent.is_err() {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Waits until something is new; false after a long silence.
    async fn wait(&self, grown: Option<tokio::sync::watch::Receiver<u64>>) -> bool {
        let clock = &self.poller.clock;
        let Some(mut grown) = grown else {
            self.poller.pause(REFUSED_WAIT).await; // the stream is gone; the next read tells
            return true;
        };
        tokio::select! {
            biased;
            () = self.poller.stop.cancelled() => true,
            changed = grown.changed() => changed.is_ok(),
            () = clock.sleep(SILENCE_MAX) => false,
        }
    }
}
