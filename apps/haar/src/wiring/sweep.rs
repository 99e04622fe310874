//! Removes blobs that no room refers to any more.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use haar_kernel::{Doors, HoldsBlobs};

/// How often. What was put stays for one round at least.
const EVERY: Duration = Duration::from_secs(3600);

/// Sweeps now and then; never ends.
pub(crate) async fn run(doors: Doors, holders: Vec<Arc<dyn HoldsBlobs>>) {
    let holders = Arc::new(holders);
    loop {
        doors.clock.sleep(EVERY).await;
        let (ledger, blobs, kv) = (doors.ledger.clone(), doors.blobs.clone(), doors.kv.clone());
        let runtime = tokio::runtime::Handle::current();
        let holders = Arc::clone(&holders);
        let sweep = move || {
            blobs.sweep(|| {
                let (snapshot, mut held) = (ledger.snapshot(), BTreeSet::new());
                for holder in &*holders {
                    holder.held_blobs(&snapshot, &mut held);
                }
                // what is let go on disk alone is let go
                let kept = runtime.block_on(kv.sync());
                kept.inspect_err(|error| tracing::warn!(%error, "no blob is removed")).ok()?;
                Some(held)
            })
        };
        match tokio::task::spawn_blocking(sweep).await {
            Ok(Ok(0)) => {}
            Ok(Ok(count)) => tracing::info!(count, "removed blobs that nobody refers to"),
            Ok(Err(error)) => tracing::warn!(%error, "could not sweep blobs"),
            Err(error) => tracing::error!(%error, "the sweep of blobs ended early"),
        }
    }
}
