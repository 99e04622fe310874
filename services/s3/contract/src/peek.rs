//! Objects for other rooms.

use bytes::Bytes;
use haar_wire::AwsError;

/// Reads objects for other rooms. Authorises nobody: that is the reader's part.
#[async_trait::async_trait]
pub trait S3Peek: Send + Sync {
    /// A whole object, at most `limit` bytes of it; its newest version where none is named.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`, `NoSuchVersion` as S3 words them, and `EntityTooLarge` beyond
    /// the limit.
    async fn object(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
        limit: u64,
    ) -> Result<Bytes, AwsError>;
}
