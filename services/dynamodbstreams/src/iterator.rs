//! Shard iterators: where to read on, as a text.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haar_dynamodb_contract::peek::Sequence;
use haar_types::Timestamp;

/// How long an iterator is good for.
pub(crate) const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// A place in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) stream_arn: String,
    pub(crate) shard_id: String,
    /// The number that the next record has at least.
    pub(crate) from: Sequence,
    pub(crate) made_at: Timestamp,
}

impl Place {
    /// As AWS forms it: the stream's ARN, a version, and what only the service reads.
    pub(crate) fn text(&self) -> String {
        let inner = format!("{}/{}/{}", self.shard_id, self.from, self.made_at.0);
        format!("{}|1|{}", self.stream_arn, STANDARD.encode(inner))
    }

    /// The place that a text stands for.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (arn, inner) = text.split_once("|1|")?;
        let inner = String::from_utf8(STANDARD.decode(inner).ok()?).ok()?;
        let mut parts = inner.split('/');
        let (shard_id, from, made_at) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            stream_arn: arn.to_owned(),
            shard_id: shard_id.to_owned(),
            from: from.parse().ok()?,
            made_at: Timestamp(made_at.parse().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iterator_comes_back_as_it_was_made() {
        let place = Place {
            stream_arn: "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/x".to_owned(),
            shard_id: "shardId-00000001".to_owned(),
            from: u64::MAX,
            made_at: Timestamp(5),
        };
        assert_eq!(Place::read(&place.text()), Some(place));
        for text in ["", "arn|1|", "arn|1|!!", "arn|2|YS8xLzI="] {
            assert_eq!(Place::read(text), None, "{text}");
        }
    }
}
