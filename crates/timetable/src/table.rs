//! The table.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use haar_clock::IdSource;
use haar_kv::{Batch, Keyspace, KvError};
use haar_schedule::Schedule;
use haar_types::Timestamp;

/// How late an instant may be and still be sent by itself. *Ours*.
pub const LATE_MAX: Duration = Duration::from_secs(60);

/// One schedule, as it is to stand in the table.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When it is due.
    pub schedule: Schedule,
    /// Tells this schedule from others that its key may have had: another begins anew.
    pub version: Vec<u8>,
    /// Where a rate counts from.
    pub anchor: Timestamp,
    /// Instants up to this one are none of it.
    pub after: Timestamp,
    /// Instants behind this one are none of it.
    pub until: Option<Timestamp>,
    /// Each instant is sent at a moment drawn from this window behind it.
    pub window: Duration,
}

/// An instant that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due<K> {
    /// Whose.
    pub key: K,
    /// The instant, by the schedule.
    pub at: Timestamp,
}

/// Schedules by their next instants.
pub struct Timetable<K> {
    marks: Keyspace,
    ids: IdSource,
    places: BTreeMap<K, Place>,
    order: BTreeSet<(Timestamp, K)>,
}

struct Place {
    entry: Entry,
    mark_key: Vec<u8>,
    /// The next instant, and when it is to be sent.
    next: Option<(Timestamp, Timestamp)>,
    /// An instant of it was sent.
    is_noted: bool,
}

impl<K: Ord + Clone> Timetable<K> {
    /// An empty table; the marks of its keys are in a keyspace of their own.
    pub fn new(marks: Keyspace, ids: IdSource) -> Self {
        Self { marks, ids, places: BTreeMap::new(), order: BTreeSet::new() }
    }

    /// When something is to be sent next.
    pub fn next(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }

    /// True for a key that was due, and will not be again.
    pub fn is_over(&self, key: &K) -> bool {
        self.places.get(key).is_some_and(|place| place.is_noted && place.next.is_none())
    }

    /// True for a schedule that stands here just so.
    pub(crate) fn stands_as(&self, key: &K, entry: &Entry) -> bool {
        self.places.get(key).is_some_and(|place| {
            place.entry.version == entry.version
                && place.entry.until == entry.until
                && place.entry.window == entry.window
        })
    }

    /// Takes a schedule in. One of the same version keeps its place. `mark_key` names the key on
    /// disk.
    ///
    /// # Errors
    /// When the marks cannot be read.
    pub fn put(&mut self, key: K, mark_key: Vec<u8>, entry: Entry) -> Result<(), KvError> {
        if self.stands_as(&key, &entry) {
            return Ok(());
        }
        self.take_off(&key);
        let mark = self.marks.get(&mark_key)?;
        let noted = mark.and_then(|mark| read(&mark, &entry.version));
        let after = noted.map_or(entry.after, |at| at.max(entry.after));
        let next = self.following(&entry, after);
        self.order.extend(next.map(|(_, at)| (at, key.clone())));
        let is_noted = noted.is_some();
        self.places.insert(key, Place { entry, mark_key, next, is_noted });
        Ok(())
    }

    /// Takes a schedule off, for a while.
    pub fn take_off(&mut self, key: &K) {
        if let Some(place) = self.places.remove(key)
            && let Some((_, at)) = place.next
        {
            self.order.remove(&(at, key.clone()));
        }
    }

    /// Takes a schedule off for good, with its mark.
    ///
    /// # Errors
    /// When the mark cannot be removed.
    pub fn remove(&mut self, key: &K, mark_key: &[u8]) -> Result<(), KvError> {
        self.take_off(key);
        self.marks.remove(mark_key)
    }

    /// What is to be sent by now, of each key one instant. More may follow at once.
    pub fn due(&self, now: Timestamp) -> Vec<Due<K>> {
        let due = self.order.iter().take_while(|(at, _)| *at <= now);
        due.filter_map(|(send_at, key)| {
            let place = self.places.get(key)?;
            let (at, _) = place.next?;
            let is_late = now.since(*send_at) > LATE_MAX;
            let at = if is_late { place.entry.latest(at, now) } else { at };
            Some(Due { key: key.clone(), at })
        })
        .collect()
    }

    /// Notes in a batch that an instant is sent now, and goes on to the next: that is not late
    /// because this one was delayed.
    pub fn note(&mut self, batch: &mut Batch, due: &Due<K>, now: Timestamp) {
        let Some(mut place) = self.places.remove(&due.key) else { return };
        let mark = [&due.at.0.to_be_bytes()[..], &place.entry.version].concat();
        batch.put(&self.marks, &place.mark_key, mark);
        if let Some((_, at)) = place.next {
            self.order.remove(&(at, due.key.clone()));
        }
        place.is_noted = true;
        let next = self.following(&place.entry, due.at);
        place.next = next.map(|(at, send_at)| (at, send_at.max(now)));
        self.order.extend(place.next.map(|(_, at)| (at, due.key.clone())));
        self.places.insert(due.key.clone(), place);
    }

    /// The instant after another one, and when it is to be sent.
    fn following(&self, entry: &Entry, after: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let at = entry.next(after)?;
        let window = u64::try_from(entry.window.as_millis()).unwrap_or(u64::MAX);
        let delay = if window == 0 { 0 } else { self.ids.draw() % window };
        Some((at, at + Duration::from_millis(delay)))
    }
}

impl Entry {
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let next = self.schedule.next(self.anchor, after)?;
        (self.until.is_none_or(|until| next <= until)).then_some(next)
    }

    /// The last instant up to now, from one of its instants on.
    fn latest(&self, from: Timestamp, now: Timestamp) -> Timestamp {
        let later = |at: &Timestamp| self.next(*at).filter(|next| *next <= now);
        std::iter::successors(Some(from), later).last().unwrap_or(from)
    }
}

/// The instant of a mark, if it is of this version.
fn read(mark: &[u8], version: &[u8]) -> Option<Timestamp> {
    let (at, of) = mark.split_first_chunk::<8>()?;
    (of == version).then(|| Timestamp(i64::from_be_bytes(*at)))
}

#[cfg(test)]
mod tests {
    use haar_kv::Kv;
    use haar_schedule::Zone;

    use super::*;

    fn table(kv: &Kv) -> Timetable<u32> {
        Timetable::new(kv.keyspace("marks").unwrap(), IdSource::seeded(3))
    }

    fn entry(text: &str) -> Entry {
        Entry {
            schedule: Schedule::in_zone(text, Zone::utc()).unwrap(),
            version: b"1".to_vec(),
            anchor: Timestamp(0),
            after: Timestamp(0),
            until: None,
            window: Duration::ZERO,
        }
    }

    /// Sends what is due by a time, all of it.
    fn send(kv: &Kv, table: &mut Timetable<u32>, now: i64) -> Vec<i64> {
        let mut sent = Vec::new();
        loop {
            let due = table.due(Timestamp(now));
            if due.is_empty() {
                return sent;
            }
            let mut batch = Batch::new();
            due.iter().for_each(|due| table.note(&mut batch, due, Timestamp(now)));
            kv.apply(batch).unwrap();
            sent.extend(due.iter().map(|due| due.at.0));
        }
    }

    #[test]
    fn each_instant_comes_once_also_for_a_new_table_on_old_marks() {
        let kv = Kv::ephemeral();
        let minute = 60_000;
        for cut in 1..6 {
            let mut sent = Vec::new();
            for now in 0..=6 {
                // A table of its own for each minute: as after a crash.
                let mut table = table(&kv);
                table
                    .put(cut, vec![1, u8::try_from(cut).unwrap()], entry("rate(1 minute)"))
                    .unwrap();
                sent.extend(send(&kv, &mut table, now * minute + i64::from(cut)));
            }
            assert_eq!(sent, (1..=6).map(|n| n * minute).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_was_missed_for_long_is_made_up_for_once() {
        let kv = Kv::ephemeral();
        let mut table = table(&kv);
        table.put(1, vec![1], entry("rate(1 minute)")).unwrap();
        assert_eq!(send(&kv, &mut table, 90_000), [60_000]);
        assert_eq!(send(&kv, &mut table, 600_000 + 1), [600_000]);
        assert_eq!(table.next(), Some(Timestamp(660_000)));
    }

    #[test]
    fn a_window_delays_each_instant_and_skips_none() {
        let kv = Kv::ephemeral();
        let mut table = table(&kv);
        let window = Duration::from_secs(300);
        table.put(1, vec![1], Entry { window, ..entry("rate(1 minute)") }).unwrap();
        let mut sent = Vec::new();
        for second in 0..1_800 {
            sent.extend(send(&kv, &mut table, second * 1_000));
        }
        assert_eq!(
            sent,
            (1..=i64::try_from(sent.len()).unwrap()).map(|n| n * 60_000).collect::<Vec<_>>()
        );
        assert!(sent.len() >= 24, "{}", sent.len());
    }

    #[test]
    fn an_end_is_kept_and_another_version_begins_anew() {
        let kv = Kv::ephemeral();
        let mut table = table(&kv);
        let until = Some(Timestamp(120_000));
        table.put(1, vec![1], Entry { until, ..entry("rate(1 minute)") }).unwrap();
        assert_eq!(send(&kv, &mut table, 60_000), [60_000]);
        assert!(!table.is_over(&1));
        assert_eq!(send(&kv, &mut table, 120_000), [120_000]);
        assert!(table.is_over(&1));
        let version = b"2".to_vec();
        table.put(1, vec![1], Entry { version, ..entry("rate(1 minute)") }).unwrap();
        assert_eq!(table.next(), Some(Timestamp(60_000)));
        table.remove(&1, &[1]).unwrap();
        assert_eq!(table.next(), None);
    }
}
