//! Reading all rows at start: one thread scans the store, the caller's builds the tables.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use crate::store::Store;
use crate::{LedgerError, Snapshot, StoreError, Tables};

/// Rows that go from thread to thread at a time.
const CHUNK: usize = 512;

/// A row's table and its bytes.
type Stored = (usize, Vec<u8>);

/// The state that a store has; without a store, none.
pub(crate) fn load(
    tables: &Arc<Tables>,
    store: Option<&dyn Store>,
) -> Result<Snapshot, LedgerError> {
    let mut snapshot = Snapshot::empty(Arc::clone(tables), 0);
    let Some(store) = store else {
        return Ok(snapshot);
    };
    std::thread::scope(|scope| {
        let (chunks, stored) = sync_channel(8);
        let scan = scope.spawn(move || scan(tables, store, &chunks));
        // Ends with the scan; on an error the receiver goes, which ends the scan.
        let loaded = stored.into_iter().flatten().try_for_each(|row| put(&mut snapshot, &row));
        let scanned = scan.join().unwrap_or_else(|_| Err(StoreError::backend("a scan panicked")));
        scanned.map_err(|error| LedgerError::Open(Arc::new(error))).and(loaded)
    })?;
    Ok(snapshot)
}

fn scan(
    tables: &Tables,
    store: &dyn Store,
    chunks: &SyncSender<Vec<Stored>>,
) -> Result<(), StoreError> {
    let mut chunk = Vec::with_capacity(CHUNK);
    store.scan(&mut |table, _, value| {
        if let Some(slot) = tables.slot_named(table) {
            chunk.push((slot, value.to_vec()));
        }
        chunk.len() < CHUNK || chunks.send(std::mem::take(&mut chunk)).is_ok()
    })?;
    _ = chunks.send(chunk); // nobody listens any more after a row that could not be read
    Ok(())
}

fn put(snapshot: &mut Snapshot, (slot, bytes): &Stored) -> Result<(), LedgerError> {
    let loaded = snapshot.slot_mut(*slot).load(bytes);
    loaded.map_err(|reason| {
        let table = snapshot.tables.names().find(|(_, at)| at == slot).map_or("", |(name, _)| name);
        LedgerError::Decode { table, reason }
    })
}
