//! Reading one shard and spreading its records over lanes.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::backlog::{Backlog, Limits};
use super::checkpoint::{Mark, order};
use super::lane::{Lane, run_lane};
use super::poller::Poller;
use super::{Portion, Position};
use crate::SourceError;
use crate::rules::batch::BATCH_BYTES_MAX;
use crate::rules::shards::lane;

/// Records that are read ahead of a lane, in batches of its size, and at least so many.
const AHEAD_BATCHES: usize = 4;
const AHEAD_MIN: usize = 2_000;
const AHEAD_MAX: usize = 10_000;
/// Bytes that are read ahead of all lanes of a shard, and of one lane at least: a batch and more.
const AHEAD_BYTES: usize = 16 << 20;
const AHEAD_BYTES_MIN: usize = BATCH_BYTES_MAX + (2 << 20);
/// Wait after the stream did not answer.
const REFUSED_WAIT: Duration = Duration::from_secs(1);
/// Time between two looks at least: a shard gives five answers a second.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A longest silence: then the place is asked for anew, before it is too old.
const SILENCE_MAX: Duration = Duration::from_secs(240);

/// Reads a shard of this incarnation of its stream to its end, or until it is time to stop or
/// another has the stream's name; answers its id.
pub(super) async fn read_shard(
    poller: Arc<Poller>,
    shard: String,
    incarnation: Option<u64>,
) -> String {
    let mut mark = match poller.marks.get(&poller.name, &shard) {
        Ok(mark) => mark.unwrap_or_default(),
        Err(error) => {
            tracing::error!(%error, %shard, "a checkpoint could not be read; the shard waits");
            poller.pause(REFUSED_WAIT).await;
            return shard;
        }
    };
    mark.incarnation = mark.incarnation.or(incarnation);
    let count = poller.settings.lanes.max(1);
    let mark = Arc::new(Mutex::new(mark.for_lanes(count)));
    let room = Arc::new(Notify::new());
    let mut lanes = JoinSet::new();
    let mut backlogs = Vec::new();
    for number in 0..count {
        let done = mark.lock().lanes[number].clone();
        let backlog = Arc::new(Backlog::new(limits(&poller, count), done, Arc::clone(&room)));
        backlogs.push(Arc::clone(&backlog));
        let (poller, mark, shard) = (Arc::clone(&poller), Arc::clone(&mark), shard.clone());
        lanes.spawn(run_lane(Lane { poller, shard, number, mark, backlog }));
    }
    let mut reader = Reader {
        poller: Arc::clone(&poller),
        shard: shard.clone(),
        mark,
        backlogs,
        room,
        place: None,
    };
    let is_over = reader.run().await;
    for backlog in &reader.backlogs {
        backlog.end(); // the lanes work off what they have
    }
    let mut all_done = true;
    while let Some(ended) = lanes.join_next().await {
        all_done &= ended.unwrap_or(false);
    }
    if is_over && all_done && !poller.stop.is_cancelled() {
        let mut mark = reader.mark.lock();
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

fn limits(poller: &Poller, lane_count: usize) -> Limits {
    let ahead = poller.settings.bounds.count_max * AHEAD_BATCHES;
    Limits {
        count: ahead.clamp(AHEAD_MIN, AHEAD_MAX),
        bytes: (AHEAD_BYTES / lane_count).max(AHEAD_BYTES_MIN),
    }
}

struct Reader {
    poller: Arc<Poller>,
    shard: String,
    /// The shard's, shared with its lanes.
    mark: Arc<Mutex<Mark>>,
    /// One for each lane.
    backlogs: Vec<Arc<Backlog>>,
    /// Told when a lane has room again.
    room: Arc<Notify>,
    /// A place in the shard, and the record before it.
    place: Option<(Option<String>, String)>,
}

/// What the lanes that have room ask for.
struct Asked {
    /// Behind this record; `None`: from the beginning.
    after: Option<String>,
    /// So many at most.
    most: usize,
    /// Which lanes.
    lanes: Vec<bool>,
}

impl Reader {
    /// Reads until the shard's end (true) or until it is time to stop, or to begin anew.
    async fn run(&mut self) -> bool {
        let mut has_all = vec![false; self.backlogs.len()];
        loop {
            if self.mark.lock().is_of_another(self.poller.stream.incarnation()) {
                return false;
            }
            let grown = self.poller.stream.grown();
            let looked_at = self.poller.clock.moment();
            let Some(asked) = self.asked(&has_all) else {
                tokio::select! {
                    biased;
                    () = self.poller.stop.cancelled() => return false,
                    () = self.room.notified() => continue,
                }
            };
            let stop = self.poller.stop.clone();
            let portion = tokio::select! {
                biased;
                () = stop.cancelled() => return false,
                portion = self.portion(&asked) => portion,
            };
            let Ok(portion) = portion else {
                self.recover(portion.err()).await;
                continue;
            };
            let (is_empty, is_over) = (portion.items.is_empty(), portion.next.is_none());
            let missed = self.spread(portion, &asked);
            if is_over {
                for (number, has_all) in has_all.iter_mut().enumerate() {
                    *has_all |= asked.lanes[number] && !missed[number];
                }
                if has_all.iter().all(|has_all| *has_all) {
                    return true;
                }
                continue;
            }
            if self.poller.stream.pushes() {
                continue;
            }
            if is_empty && !self.wait(grown).await {
                self.place = None;
            }
            let next_look = looked_at.after(LOOK_EVERY);
            tokio::select! {
                biased;
                () = self.poller.stop.cancelled() => return false,
                () = self.poller.clock.sleep_until(next_look) => {}
            }
        }
    }

    /// What is to be read next: behind the lane that is furthest behind of those with room.
    fn asked(&self, has_all: &[bool]) -> Option<Asked> {
        let wants: Vec<_> = self.backlogs.iter().map(|backlog| backlog.wants()).collect();
        let wants: Vec<_> = wants
            .into_iter()
            .zip(has_all)
            .map(|(want, has_all)| want.filter(|_| !has_all))
            .collect();
        let lanes: Vec<bool> = wants.iter().map(Option::is_some).collect();
        let most = wants.iter().flatten().map(|(_, room)| *room).sum::<usize>().min(AHEAD_MAX);
        let behind = |one: &Option<String>, other: &Option<String>| match (one, other) {
            (Some(one), Some(other)) => order(one, other),
            (one, other) => one.is_some().cmp(&other.is_some()),
        };
        let after = wants.into_iter().flatten().map(|(taken, _)| taken).min_by(behind)?;
        Some(Asked { after, most, lanes })
    }

    /// Reads what is asked for.
    async fn portion(&mut self, asked: &Asked) -> Result<Portion, SourceError> {
        let stream = &self.poller.stream;
        let known = self.place.take().filter(|(after, _)| *after == asked.after);
        let from = match known {
            Some((_, place)) => place,
            None => {
                let position = match &asked.after {
                    Some(last) => Position::After(last.clone()),
                    None => {
                        let mark = self.mark.lock();
                        mark.began.as_ref().map_or(Position::Horizon, |it| it.position())
                    }
                };
                stream.place(&self.shard, &position).await?
            }
        };
        self.place = Some((asked.after.clone(), from.clone()));
        let portion = stream.read(&self.shard, &from, asked.most).await?;
        let last = portion.items.last().map(|item| item.id.clone());
        let last = last.or_else(|| asked.after.clone());
        self.place = portion.next.clone().map(|next| (last, next));
        Ok(portion)
    }

    /// Looks after a stream that did not answer.
    async fn recover(&mut self, error: Option<SourceError>) {
        match error {
            Some(SourceError::Expired) => {
                self.place = None;
                return;
            }
            Some(SourceError::Refused(reason)) => {
                self.poller.consumer.note(&format!("PROBLEM: {reason}"));
                self.place = None;
            }
            _ => {}
        }
        self.poller.pause(REFUSED_WAIT).await;
    }

    /// Gives each record to its lane, unless that is done with it; answers the lanes that did
    /// not get all of theirs. Lanes that have nothing to do are done up to here.
    fn spread(&self, portion: Portion, asked: &Asked) -> Vec<bool> {
        let mut missed: Vec<bool> = asked.lanes.iter().map(|has_room| !has_room).collect();
        let last = portion.items.last().map(|item| item.id.clone());
        for item in portion.items {
            let number = lane(&item.group, self.backlogs.len());
            if !missed[number] && !self.mark.lock().is_done(&item) {
                missed[number] = !self.backlogs[number].offer(item);
            }
        }
        let Some(last) = last else { return missed };
        // not under the lock of the mark: lanes look at the mark under that of their backlog
        let backlogs = self.backlogs.iter().enumerate();
        let idle: Vec<(usize, String)> = backlogs
            .filter(|(number, _)| !missed[*number])
            .filter_map(|(number, backlog)| Some((number, backlog.pass(&last)?)))
            .collect();
        if !idle.is_empty() {
            let mut mark = self.mark.lock();
            for (number, done) in idle {
                mark.advance(number, done);
            }
            save(&self.poller, &self.shard, &mark);
        }
        missed
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
            () = self.room.notified() => true,
            () = clock.sleep(SILENCE_MAX) => false,
        }
    }
}
