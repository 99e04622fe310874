//! FIFO topics: sequence numbers, and what was published in the last five minutes.
//!
//! AWS docs: *Amazon SNS Developer Guide > Message deduplication for FIFO topics*.

use std::collections::BTreeMap;
use std::time::Duration;

use haar_kv::{Batch, Keyspace, Kv, KvError};
use haar_types::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};

/// How long a message is remembered.
const WINDOW: Duration = Duration::from_secs(300);
const SEQUENCE_SHIFT: u32 = 20;
const SEQUENCE_BASE: u64 = 10_000_000_000_000_000_000;

/// What was published under a deduplication id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Published {
    pub(crate) until: Timestamp,
    pub(crate) message_id: String,
    pub(crate) sequence_number: String,
}

/// All FIFO topics' memory; one publisher at a time numbers and stages.
pub(crate) struct Ordered {
    seen: Keyspace,
    state: Mutex<State>,
}

/// What is held while a message gets its number and its place in the lanes.
#[derive(Default)]
pub(crate) struct State {
    last: u64,
    /// By when they are to be forgotten.
    order: BTreeMap<(Timestamp, Vec<u8>), ()>,
    is_loaded: bool,
}

impl Ordered {
    pub(crate) fn open(kv: &Kv) -> Result<Self, KvError> {
        Ok(Self { seen: kv.keyspace("sns.seen")?, state: Mutex::default() })
    }

    /// Waits for the turn.
    pub(crate) fn turn(&self) -> Result<MutexGuard<'_, State>, KvError> {
        let mut state = self.state.lock();
        if !state.is_loaded {
            for entry in self.seen.all() {
                let entry = entry?;
                let Ok(known) = read(&entry.value) else { continue };
                let number = known.sequence_number.parse::<u64>().unwrap_or(0);
                state.last = state.last.max(number.saturating_sub(SEQUENCE_BASE));
                state.order.insert((known.until, entry.key.to_vec()), ());
            }
            state.is_loaded = true;
        }
        Ok(state)
    }

    /// What was published lately to that topic under that key.
    pub(crate) fn find(
        &self,
        topic: u64,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Published>, KvError> {
        let found = self.seen.get(place(topic, key))?;
        let found = found.and_then(|value| read(&value).ok());
        Ok(found.filter(|known| known.until > now))
    }

    /// Numbers a message and remembers it, in a batch.
    pub(crate) fn note(
        &self,
        state: &mut State,
        batch: &mut Batch,
        (topic, key): (u64, &str),
        message_id: &str,
        now: Timestamp,
    ) -> String {
        self.forget_old(state, batch, now);
        let least = u64::try_from(now.0).unwrap_or(0) << SEQUENCE_SHIFT;
        state.last = (state.last + 1).max(least);
        let sequence_number = SEQUENCE_BASE.saturating_add(state.last).to_string();
        let known = Published {
            until: now + WINDOW,
            message_id: message_id.to_owned(),
            sequence_number: sequence_number.clone(),
        };
        let key = place(topic, key);
        let value = serde_json::to_vec(&known).expect("plain data encode");
        batch.put(&self.seen, &key, value);
        state.order.insert((known.until, key), ());
        sequence_number
    }

    fn forget_old(&self, state: &mut State, batch: &mut Batch, now: Timestamp) {
        while let Some(entry) = state.order.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let ((until, key), ()) = entry.remove_entry();
            // A key may have come again since.
            let still = self.seen.get(&key).ok().flatten().and_then(|value| read(&value).ok());
            if still.is_some_and(|known| known.until == until) {
                batch.remove(&self.seen, key);
            }
        }
    }

    /// Forgets what is in memory.
    pub(crate) fn forget(&self) {
        *self.state.lock() = State::default();
    }
}

/// The least number that a message can have which was published then.
pub(crate) fn first_number(at: Timestamp) -> u64 {
    SEQUENCE_BASE.saturating_add(u64::try_from(at.0).unwrap_or(0) << SEQUENCE_SHIFT)
}

fn read(value: &[u8]) -> Result<Published, serde_json::Error> {
    serde_json::from_slice(value)
}

fn place(topic: u64, key: &str) -> Vec<u8> {
    [&topic.to_be_bytes(), key.as_bytes()].concat()
}
