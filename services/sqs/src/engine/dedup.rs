//! What was sent to a FIFO queue in the last five minutes.
//!
//! AWS docs: *Amazon SQS Developer Guide > Using the message deduplication ID*.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::Sent;

/// How long a message is remembered.
pub(crate) const WINDOW: Duration = Duration::from_secs(300);

/// A message that was sent under a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) until: Timestamp,
    pub(crate) sent: Sent,
}

/// The keys of messages that were sent.
#[derive(Debug, Default)]
pub(crate) struct Dedup {
    seen: BTreeMap<String, Seen>,
    order: VecDeque<(Timestamp, String)>,
}

impl Dedup {
    /// Remembers what is to be forgotten no earlier than all before it.
    pub(crate) fn add(&mut self, key: String, seen: Seen) {
        self.order.push_back((seen.until, key.clone()));
        self.seen.insert(key, seen);
    }

    /// The message that was sent under that key, as long as it is remembered.
    pub(crate) fn get(&self, key: &str, now: Timestamp) -> Option<&Sent> {
        self.seen.get(key).filter(|seen| seen.until > now).map(|seen| &seen.sent)
    }

    /// Forgets what is past its time; answers the keys.
    pub(crate) fn forget(&mut self, now: Timestamp) -> Vec<String> {
        let mut forgotten = Vec::new();
        while self.order.front().is_some_and(|(until, _)| *until <= now) {
            let Some((_, key)) = self.order.pop_front() else { break };
            // a key may have come again since
            if self.seen.get(&key).is_some_and(|seen| seen.until <= now) {
                self.seen.remove(&key);
                forgotten.push(key);
            }
        }
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_until_its_time_and_may_come_again() {
        let sent = |sequence| Sent { message_id: "m".to_owned(), sequence };
        let mut dedup = Dedup::default();
        dedup.add("a".to_owned(), Seen { until: Timestamp(10), sent: sent(1) });
        assert_eq!(dedup.get("a", Timestamp(9)), Some(&sent(1)));
        assert_eq!(dedup.get("a", Timestamp(10)), None);
        dedup.add("a".to_owned(), Seen { until: Timestamp(20), sent: sent(2) });
        assert!(dedup.forget(Timestamp(10)).is_empty());
        assert_eq!(dedup.get("a", Timestamp(19)), Some(&sent(2)));
        assert_eq!(dedup.forget(Timestamp(20)), ["a"]);
        assert_eq!(dedup.get("a", Timestamp(0)), None);
    }
}
