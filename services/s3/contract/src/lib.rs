//! What other rooms may know of Amazon S3: its shapes, and how to read a small object whole.
//!
//! A room reads objects by the typed call `GetObject`, as whoever it reads for: so policies are
//! weighed. [`whole`] takes the answer's body in.

pub mod model;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use haar_wire::AwsError;

pub use model::*;

/// All bytes of an object that was read, at most `limit` of them.
///
/// # Errors
/// `EntityTooLarge` beyond the limit, and what breaks the body off.
pub async fn whole(read: GetObjectOutput, limit: usize) -> Result<Bytes, AwsError> {
    let mut stream = std::pin::pin!(read.body.into_stream());
    let mut bytes = BytesMut::new();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| {
            tracing::warn!(%error, "an object could not be read");
            AwsError::internal_failure("an object could not be read")
        })?;
        if bytes.len() + piece.len() > limit {
            return Err(AwsError::new("EntityTooLarge", 400, "The object is too large"));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}
