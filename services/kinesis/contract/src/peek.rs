//! When there is something new in a stream, for rooms that read streams.

use tokio::sync::watch;

/// Facts about streams that are too hot for a call.
pub trait KinesisPeek: Send + Sync {
    /// Changes whenever records were added to the stream or its shards have changed; what it
    /// holds means nothing. `None` when there is no such stream.
    fn grown(&self, stream_arn: &str) -> Option<watch::Receiver<u64>>;

    /// Which of the streams that have had this ARN is there now.
    fn incarnation(&self, stream_arn: &str) -> Option<u64>;
}
