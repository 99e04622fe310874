//! A consumer with throughput of its own: records are pushed to it. AWS docs: *Develop enhanced
//! fan-out consumers*.
//!
//! What is pushed waits in the subscription until the poller asks for it, so one that is behind
//! is not flooded; where the poller goes back, the shard is subscribed to anew.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use haar_poller::{Portion, Position, ShardFacts, SourceError, Stream};
use haar_types::Timestamp;
use haar_wire::EventStream;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::StreamSource;
use crate::{
    ShardIteratorType, StartingPosition, SubscribeToShard, SubscribeToShardEventStream,
    SubscribeToShardInput,
};

type Events = EventStream<SubscribeToShardEventStream>;

/// A consumer of a stream.
pub struct PushedSource {
    source: StreamSource,
    /// Open subscriptions by shard, with the place that their next event begins at.
    open: Mutex<BTreeMap<String, (String, Events)>>,
}

impl PushedSource {
    /// The consumer that the source's errand names.
    pub fn new(source: StreamSource) -> Self {
        Self { source, open: Mutex::default() }
    }

    async fn read(&self, shard: &str, place: &str) -> Result<Portion, SourceError> {
        let held = self.open.lock().remove(shard).filter(|(at, _)| at == place);
        let mut events = match held {
            Some((_, events)) => events,
            None => self.subscribe(shard, place).await?,
        };
        let SubscribeToShardEventStream::SubscribeToShardEvent(event) = match events.next().await {
            Some(event) => event?,
            // A subscription ends after five minutes: the next one goes on there.
            None => return Ok(Portion { items: Vec::new(), next: Some(place.to_owned()) }),
        };
        let items = self.source.items(event.records, shard)?;
        let is_over = event.child_shards.is_some_and(|children| !children.is_empty());
        if is_over {
            return Ok(Portion { items, next: None });
        }
        let next = text(&Position::After(event.continuation_sequence_number));
        self.open.lock().insert(shard.to_owned(), (next.clone(), events));
        Ok(Portion { items, next: Some(next) })
    }

    async fn subscribe(&self, shard: &str, place: &str) -> Result<Events, SourceError> {
        let input = SubscribeToShardInput {
            consumer_arn: self.source.errand.source_arn.clone(),
            shard_id: shard.to_owned(),
            starting_position: position(place),
            ..SubscribeToShardInput::default()
        };
        Ok(self.source.errand.call::<SubscribeToShard>(input).await?.event_stream)
    }
}

impl Stream for PushedSource {
    fn shards(&self) -> BoxFuture<'_, Result<Vec<ShardFacts>, SourceError>> {
        Stream::shards(&self.source)
    }

    fn place<'a>(
        &'a self,
        _shard: &'a str,
        position: &'a Position,
    ) -> BoxFuture<'a, Result<String, SourceError>> {
        Box::pin(async move { Ok(text(position)) })
    }

    fn read<'a>(
        &'a self,
        shard: &'a str,
        place: &'a str,
        _most: usize,
    ) -> BoxFuture<'a, Result<Portion, SourceError>> {
        Box::pin(self.read(shard, place))
    }

    fn grown(&self) -> Option<watch::Receiver<u64>> {
        Stream::grown(&self.source)
    }

    fn incarnation(&self) -> Option<u64> {
        Stream::incarnation(&self.source)
    }

    fn latest(&self, shard: &str) -> Position {
        Stream::latest(&self.source, shard)
    }

    fn pushes(&self) -> bool {
        true
    }
}

/// A place as a text.
fn text(position: &Position) -> String {
    match position {
        Position::Horizon => "horizon".to_owned(),
        Position::Latest => "latest".to_owned(),
        Position::At(time) => format!("at {}", time.0),
        Position::After(number) => format!("after {number}"),
    }
}

fn position(place: &str) -> StartingPosition {
    let of = |r#type| StartingPosition { r#type, ..StartingPosition::default() };
    match place.split_once(' ') {
        Some(("at", millis)) => StartingPosition {
            timestamp: Some(Timestamp(millis.parse().unwrap_or_default())),
            ..of(ShardIteratorType::AtTimestamp)
        },
        Some((_, number)) => StartingPosition {
            sequence_number: Some(number.to_owned()),
            ..of(ShardIteratorType::AfterSequenceNumber)
        },
        None if place == "latest" => of(ShardIteratorType::Latest),
        None => of(ShardIteratorType::TrimHorizon),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_tells_where_a_subscription_begins() {
        let begins = |at: &Position| {
            let begins = position(&text(at));
            (begins.r#type, begins.sequence_number, begins.timestamp)
        };
        use ShardIteratorType as Type;
        assert_eq!(begins(&Position::Horizon), (Type::TrimHorizon, None, None));
        assert_eq!(begins(&Position::Latest), (Type::Latest, None, None));
        let at = Timestamp(7);
        assert_eq!(begins(&Position::At(at)), (Type::AtTimestamp, None, Some(at)));
        let after = Position::After("9".to_owned());
        assert_eq!(begins(&after), (Type::AfterSequenceNumber, Some("9".to_owned()), None));
    }
}
