//! What other rooms see of streams.

use std::sync::Arc;

use haar_clock::Clock;
use haar_dynamodb_contract::peek::{
    Sequence, ShardFacts, StreamEntry, StreamFacts, StreamFault, StreamPeek,
};
use haar_kv::KvError;
use haar_ledger::{Ledger, Snapshot};
use haar_types::{AccountId, Region};
use tokio::sync::watch;

use super::{KEPT_FOR, event, first_of, last_of, number_of, shards};
use crate::engine::Engine;
use crate::render;
use crate::state::StreamRow;

/// Bytes of records that one answer has at most.
const PAGE_BYTES: i64 = 1024 * 1024;

/// The room's streams, for the others.
pub(crate) struct Peek {
    pub(crate) engine: Arc<Engine>,
    pub(crate) ledger: Ledger,
    pub(crate) clock: Clock,
}

impl Peek {
    fn horizon(&self) -> Sequence {
        first_of(self.clock.now() - KEPT_FOR)
    }
}

fn find(snapshot: &Snapshot, arn: &str) -> Option<Arc<StreamRow>> {
    snapshot.get::<StreamRow>(&StreamRow::key_of(arn)?)
}

fn facts(row: &StreamRow) -> StreamFacts {
    StreamFacts {
        arn: row.arn(),
        table: row.key.2.clone(),
        label: row.key.3.clone(),
        view: row.view,
        keys: render::key_schema(&row.keys),
        created_at: row.created_at,
        is_enabled: row.disabled_at.is_none(),
    }
}

fn fault(error: &KvError) -> StreamFault {
    tracing::error!(%error, "could not read stream records");
    StreamFault
}

impl StreamPeek for Peek {
    fn stream(&self, snapshot: &Snapshot, arn: &str) -> Option<StreamFacts> {
        find(snapshot, arn).map(|row| facts(&row))
    }

    fn streams(
        &self,
        snapshot: &Snapshot,
        account: &AccountId,
        region: &Region,
        table: Option<&str>,
    ) -> Vec<StreamFacts> {
        let first =
            (account.clone(), region.clone(), table.unwrap_or("").to_owned(), String::new());
        let own = |row: &Arc<StreamRow>| {
            row.key.0 == *account
                && row.key.1 == *region
                && table.is_none_or(|table| row.key.2 == table)
        };
        let rows = snapshot.range::<StreamRow>(first..).take_while(own);
        rows.map(|row| facts(&row)).collect()
    }

    fn shards(&self, snapshot: &Snapshot, arn: &str) -> Result<Vec<ShardFacts>, StreamFault> {
        let Some(row) = find(snapshot, arn) else { return Ok(Vec::new()) };
        let starts = shards::starts(&self.engine.streams, row.id, row.created_at);
        let starts = starts.map_err(|error| fault(&error))?;
        let ended = row.disabled_at.map(last_of);
        Ok(shards::facts(&starts, ended, self.horizon()))
    }

    fn records(
        &self,
        snapshot: &Snapshot,
        arn: &str,
        (first, last): (Sequence, Sequence),
        limit: usize,
    ) -> Result<Vec<StreamEntry>, StreamFault> {
        let Some(row) = find(snapshot, arn) else { return Ok(Vec::new()) };
        let place = |number: Sequence| [row.id.to_be_bytes(), number.to_be_bytes()].concat();
        let first = first.max(self.horizon());
        let range = self.engine.streams.records.range(place(first)..=place(last));
        let (mut records, mut bytes) = (Vec::new(), 0);
        for entry in range.take(limit) {
            let entry = entry.map_err(|error| fault(&error))?;
            let read = number_of(&entry.key).and_then(|number| event::read(number, entry.value));
            let Some(record) = read else { continue };
            bytes += record.size_bytes;
            if bytes > PAGE_BYTES && !records.is_empty() {
                break;
            }
            records.push(record);
        }
        Ok(records)
    }

    fn grown(&self, stream_arn: &str) -> Option<watch::Receiver<Sequence>> {
        let row = find(&self.ledger.snapshot(), stream_arn)?;
        let stream = self.engine.streams.opened(row.id, row.created_at).ok()?;
        Some(stream.grown.subscribe())
    }
}
