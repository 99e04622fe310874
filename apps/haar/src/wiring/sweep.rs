//! Removes blobs that no room refers to any more, and Lambda's unpacked code.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use haar_clock::Clock;
use haar_kernel::{Doors, HoldsBlobs};
use haar_lambda::Lambda;

/// From the start to the first sweep, which takes all that earlier processes left: a cloud that
/// is up for less than an hour a day frees its disk too. *Ours*, as all times here.
const FIRST: Duration = Duration::from_secs(60);

/// How often.
const EVERY: Duration = Duration::from_secs(10 * 60);

/// How long what was put, read or unpacked stays though nobody holds it. Longer than from one sweep
/// to the next, which note what code is held.
const GRACE: Duration = Duration::from_secs(15 * 60);

/// The same for blobs where the disk is full. Whoever puts one holds it within seconds, who
/// reads an object holds it to the end, as who pulls a layer does until it is open.
const GRACE_WHEN_FULL: Duration = Duration::from_secs(5 * 60);

/// Between two sweeps, however often the disk refuses.
const REST: Duration = Duration::from_secs(60);

/// Sweeps now and then; never ends.
pub(crate) async fn run(doors: Doors, holders: Vec<Arc<dyn HoldsBlobs>>, lambda: Arc<Lambda>) {
    let (holders, mut rounds): (Arc<[_]>, _) = (holders.into(), Rounds::default());
    loop {
        let grace = rounds.next(&doors.clock, refused(&doors)).await;
        sweep_blobs(&doors, Arc::clone(&holders), grace).await;
        sweep_code(Arc::clone(&lambda), GRACE).await;
    }
}

/// Waits until a store refuses what the disk has no room for.
async fn refused(doors: &Doors) {
    let Doors { blobs, kv, ledger, .. } = doors;
    tokio::select! {
        () = blobs.refused() => {}
        () = kv.refused() => {}
        () = ledger.refused() => {}
    }
    // one sweep answers the others too
    let _ = blobs.refused().now_or_never();
    let _ = kv.refused().now_or_never();
    let _ = ledger.refused().now_or_never();
}

/// When sweeps are made.
#[derive(Default)]
struct Rounds {
    have_begun: bool,
}

impl Rounds {
    /// Waits until it is time for a sweep, or a write is refused; answers the sweep's grace.
    async fn next(&mut self, clock: &Clock, refused: impl Future<Output = ()>) -> Duration {
        let wait = match std::mem::replace(&mut self.have_begun, true) {
            false => FIRST,
            true => {
                clock.sleep(REST).await;
                EVERY - REST
            }
        };
        match clock.timeout(wait, refused).await {
            Ok(()) => GRACE_WHEN_FULL,
            Err(_) => GRACE,
        }
    }
}

async fn sweep_blobs(doors: &Doors, holders: Arc<[Arc<dyn HoldsBlobs>]>, grace: Duration) {
    let (ledger, blobs, kv) = (doors.ledger.clone(), doors.blobs.clone(), doors.kv.clone());
    let runtime = tokio::runtime::Handle::current();
    let sweep = move || {
        blobs.sweep(grace, || {
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

async fn sweep_code(lambda: Arc<Lambda>, grace: Duration) {
    let sweep = move || lambda.sweep_code(grace).map(haar_lambda::code::Trash::empty);
    match tokio::task::spawn_blocking(sweep).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "could not sweep unpacked code"),
        Err(error) => tracing::error!(%error, "the sweep of unpacked code ended early"),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::sync::Notify;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn sweeps_are_made_soon_after_the_start_then_regularly_and_when_the_disk_is_full() {
        let (clock, full, made) = (Clock::system(), Notify::new(), RefCell::new(Vec::new()));
        let start = clock.moment();
        let minutes = |time: Duration| time.as_secs() / 60;
        let sweep = async {
            let mut rounds = Rounds::default();
            loop {
                let grace = rounds.next(&clock, full.notified()).await;
                made.borrow_mut().push((minutes(clock.moment().since(start)), minutes(grace)));
            }
        };
        let refuse = async {
            clock.sleep(25 * MINUTE).await;
            for _ in 0..3 {
                full.notify_one(); // the later two are answered by one sweep
                clock.sleep(MINUTE / 4).await;
            }
            clock.sleep(13 * MINUTE).await;
        };
        tokio::select! {
            () = sweep => {}
            () = refuse => {}
        }
        assert_eq!(*made.borrow(), [(1, 15), (11, 15), (21, 15), (25, 5), (26, 5), (36, 15)]);
    }
}
