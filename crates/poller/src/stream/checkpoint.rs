//! How far each shard was read, on disk.

use std::collections::BTreeSet;

use haar_kv::{Keyspace, Kv, KvError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Position;
use crate::Item;
use crate::rules::shards::lane;

/// The checkpoints of all pollers of one room. Written as they are; a crash of the machine may
/// take the last of them, and the records behind come again.
#[derive(Clone)]
pub struct Checkpoints {
    marks: Keyspace,
}

/// How far a shard was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Where reading began, while a lane has done nothing.
    pub(super) began: Option<Began>,
    /// The last record that each lane is done with.
    pub(super) lanes: Vec<Option<String>>,
    /// Each lane's open window.
    #[serde(default)]
    pub(super) windows: Vec<Option<OpenWindow>>,
    /// All is done, and no more comes.
    pub(super) is_finished: bool,
    /// The same for the lanes before their count changed, while that says more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) former: Vec<Vec<Option<String>>>,
    /// Of which stream of this name, see [`Stream::incarnation`](super::Stream::incarnation).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) incarnation: Option<u64>,
}

/// A [`Position`] that means the same later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Began {
    Horizon,
    At(i64),
    After(String),
}

/// A tumbling window that records were given of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct OpenWindow {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) state: Value,
}

impl Began {
    pub(super) fn position(&self) -> Position {
        match self {
            Self::Horizon => Position::Horizon,
            Self::At(millis) => Position::At(haar_types::Timestamp(*millis)),
            Self::After(number) => Position::After(number.clone()),
        }
    }

    pub(super) fn of(position: &Position) -> Self {
        match position {
            Position::Horizon | Position::Latest => Self::Horizon,
            Position::At(time) => Self::At(time.0),
            Position::After(number) => Self::After(number.clone()),
        }
    }
}

impl Mark {
    /// True when it tells of another stream than this one.
    pub(super) fn is_of_another(&self, incarnation: Option<u64>) -> bool {
        self.incarnation.zip(incarnation).is_some_and(|(own, now)| own != now)
    }

    /// For so many lanes. With another count keys belong to other lanes: all go on from the
    /// lane that is furthest behind, so that nothing is passed over; what the lanes before did
    /// behind that is kept, so that nothing comes again ([`Self::is_done`]).
    pub(super) fn for_lanes(mut self, count: usize) -> Self {
        if self.lanes.is_empty() {
            self.lanes = vec![None; count];
        } else if self.lanes.len() != count {
            let least = self.least();
            let before = std::mem::replace(&mut self.lanes, vec![least; count]);
            self.former.push(before);
            self.windows = vec![None; count];
        }
        self.windows.resize(count, None);
        self.prune();
        self
    }

    /// True for a record that a lane of another count was done with.
    pub(super) fn is_done(&self, item: &Item) -> bool {
        self.former.iter().any(|lanes| {
            let last = lanes[lane(&item.group, lanes.len())].as_ref();
            last.is_some_and(|last| order(&item.id, last).is_le())
        })
    }

    /// Notes how far a lane is done.
    pub(super) fn advance(&mut self, number: usize, last: String) {
        self.lanes[number] = Some(last);
        self.prune();
    }

    /// Forgets lanes of before that all of today's are past.
    fn prune(&mut self) {
        if self.former.is_empty() {
            return;
        }
        let Some(least) = self.least() else { return };
        let is_ahead = |last: &String| order(last, &least).is_gt();
        self.former.retain(|lanes| lanes.iter().flatten().any(is_ahead));
    }

    /// The last record that all lanes are done with.
    pub(super) fn least(&self) -> Option<String> {
        let numbers: Option<Vec<&String>> = self.lanes.iter().map(Option::as_ref).collect();
        numbers?.into_iter().min_by(|a, b| order(a, b)).cloned()
    }
}

/// Sequence numbers are numbers: the longer one is the larger.
pub(super) fn order(a: &str, b: &str) -> std::cmp::Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

impl Checkpoints {
    /// Opens the checkpoints of a room.
    ///
    /// # Errors
    /// When kv does not open them.
    pub fn open(kv: &Kv, keyspace: &'static str) -> Result<Self, KvError> {
        Ok(Self { marks: kv.keyspace(keyspace)? })
    }

    /// Forgets a poller's.
    ///
    /// # Errors
    /// When the store does not take it.
    pub fn forget(&self, poller: &str) -> Result<(), KvError> {
        self.marks.remove_prefix(format!("{poller}\0")).map(drop)
    }

    /// Forgets those of pollers that are no longer there.
    ///
    /// # Errors
    /// When the store cannot be read, or does not take it.
    pub fn forget_all_but(&self, known: &BTreeSet<String>) -> Result<(), KvError> {
        let gone = self.pollers()?.into_iter().filter(|poller| !known.contains(poller));
        gone.into_iter().try_for_each(|poller| self.forget(&poller))
    }

    /// The pollers that have checkpoints.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn pollers(&self) -> Result<Vec<String>, KvError> {
        let mut all = Vec::new();
        for entry in self.marks.all() {
            let key = entry?.key;
            let end = key.iter().position(|byte| *byte == 0).unwrap_or(key.len());
            let poller = String::from_utf8_lossy(&key[..end]).into_owned();
            if all.last() != Some(&poller) {
                all.push(poller);
            }
        }
        Ok(all)
    }

    pub(super) fn get(&self, poller: &str, shard: &str) -> Result<Option<Mark>, KvError> {
        let found = self.marks.get(format!("{poller}\0{shard}"))?;
        Ok(found.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    pub(super) fn put(&self, poller: &str, shard: &str, mark: &Mark) -> Result<(), KvError> {
        let bytes = serde_json::to_vec(mark).expect("a mark is JSON");
        self.marks.put(format!("{poller}\0{shard}"), bytes)
    }

    pub(super) fn remove(&self, poller: &str, shard: &str) -> Result<(), KvError> {
        self.marks.remove(format!("{poller}\0{shard}"))
    }

    /// The shards that a poller has checkpoints of.
    pub(super) fn shards(&self, poller: &str) -> Result<Vec<(String, Mark)>, KvError> {
        let prefix = format!("{poller}\0");
        let mut all = Vec::new();
        for entry in self.marks.prefix(&prefix) {
            let entry = entry?;
            let shard = String::from_utf8_lossy(&entry.key[prefix.len()..]).into_owned();
            if let Ok(mark) = serde_json::from_slice(&entry.value) {
                all.push((shard, mark));
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(lanes: &[Option<&str>]) -> Mark {
        let lanes = lanes.iter().map(|lane| lane.map(str::to_owned)).collect();
        Mark { lanes, ..Mark::default() }
    }

    #[test]
    fn a_shard_is_read_on_from_the_lane_that_is_furthest_behind() {
        assert_eq!(mark(&[Some("100"), Some("99")]).least().as_deref(), Some("99"));
        assert_eq!(mark(&[Some("100"), None]).least(), None);
    }

    #[test]
    fn another_count_of_lanes_begins_with_the_furthest_behind() {
        let kept = mark(&[Some("5"), Some("7")]).for_lanes(2);
        assert_eq!(kept.lanes, mark(&[Some("5"), Some("7")]).lanes);
        let more = mark(&[Some("5"), Some("7")]).for_lanes(3);
        assert_eq!(more.lanes, mark(&[Some("5"), Some("5"), Some("5")]).lanes);
    }

    #[test]
    fn what_lanes_of_another_count_did_does_not_come_again() {
        let item = |id: &str, group: &str| Item {
            id: id.to_owned(),
            record: Value::Null,
            group: group.to_owned(),
            at: haar_types::Timestamp(0),
            size: 1,
            handle: String::new(),
            is_wanted: true,
        };
        let (one, other) = ("a", "b");
        assert_eq!([lane(one, 2), lane(other, 2)], [0, 1]);
        let mut more = mark(&[Some("5"), Some("7")]).for_lanes(3);
        assert!(more.is_done(&item("7", other)) && !more.is_done(&item("8", other)));
        assert!(more.is_done(&item("5", one)) && !more.is_done(&item("6", one)));
        for number in 0..3 {
            more.advance(number, "7".to_owned());
        }
        assert_eq!(more, mark(&[Some("7"); 3]).for_lanes(3));
    }

    #[test]
    fn checkpoints_are_found_again_by_poller_and_shard() {
        let marks = Checkpoints::open(&Kv::ephemeral(), "t").unwrap();
        marks.put("p", "s1", &mark(&[Some("1")])).unwrap();
        marks.put("p2", "s1", &mark(&[None])).unwrap();
        assert_eq!(marks.get("p", "s1").unwrap(), Some(mark(&[Some("1")])));
        assert_eq!(marks.shards("p").unwrap().len(), 1);
        assert_eq!(marks.pollers().unwrap(), ["p", "p2"]);
        marks.forget("p").unwrap();
        assert_eq!(marks.pollers().unwrap(), ["p2"]);
        marks.put("p3", "s1", &mark(&[None])).unwrap();
        marks.forget_all_but(&["p3".to_owned()].into()).unwrap();
        assert_eq!(marks.pollers().unwrap(), ["p3"]);
    }
}
