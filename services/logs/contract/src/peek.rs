//! The sink for log lines that haar itself writes, such as a function's output.

use haar_types::{AccountId, Region, Timestamp};

/// One line on its way to a log stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub timestamp: Timestamp,
    /// Its text, without the closing line feed.
    pub message: String,
}

/// Takes log lines from other rooms, off the path of any request.
pub trait LogSink: Send + Sync {
    /// Whether a group is there; one that is not is made by the first line.
    fn has_group(&self, account: &AccountId, region: &Region, group: &str) -> bool;

    /// Appends `events` to a stream, in their order; creates group and stream as needed.
    ///
    /// Never blocks: lines are buffered up to a bound, and beyond it the oldest give way,
    /// with a warning in haar's own log.
    fn append(
        &self,
        account: &AccountId,
        region: &Region,
        group: &str,
        stream: &str,
        events: Vec<LogLine>,
    );
}
