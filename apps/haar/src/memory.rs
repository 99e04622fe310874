//! Memory that was needed for a while is given back to the system once the while is over: after
//! the start, after a crowd of sandboxes has gone, and when records were sorted onto the disk.
//!
//! Two kinds of it stay otherwise. The allocator keeps what is free, each thread's apart. And code
//! that ran once, most of what a start runs, stays mapped until the system is short of memory.

#![allow(unsafe_code)] // the allocator's own call has no safe wrapper

use std::cell::Cell;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use haar_clock::Clock;
use haar_substrate::{Event, Substrate};

use crate::wiring::Stores;

/// A while is over when nothing has ended for so long.
const QUIET: Duration = Duration::from_secs(1);
/// How long a thread for work that blocks stays when it has none: with the runtime's ten seconds,
/// now and then some work would keep all that a crowd has made, each with memory of its own.
pub(crate) const HELPERS_STAY: Duration = Duration::from_secs(1);
/// Freed memory reaches the allocator's common store some wake-ups later.
const SETTLING: Duration = Duration::from_millis(100);

/// How often memory was given back.
static ROUNDS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The round that this thread has last taken part in.
    static DONE: Cell<u64> = const { Cell::new(0) };
}

unsafe extern "C" {
    /// mimalloc: frees what the calling thread holds unused, then what nobody holds.
    safe fn mi_collect(force: bool);
}

/// Gives memory back after the start, and whenever sandboxes have ended or stores have let go of
/// some, and nothing of it happens any more.
pub(crate) async fn tend(clock: &Clock, substrate: &dyn Substrate, stores: &Stores) -> Infallible {
    let mut ends = stream::select(ends(substrate).await, stores.lettings_go());
    loop {
        while let Ok(Some(())) = clock.timeout(QUIET, ends.next()).await {}
        give_back(clock).await;
        if ends.next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// An item for each end of something; none on a host that runs nothing.
async fn ends(substrate: &dyn Substrate) -> BoxStream<'static, ()> {
    let Ok(events) = substrate.watch().await else { return stream::pending().boxed() };
    let is_end = |event| async move { (!matches!(event, Event::OutOfMemory { .. })).then_some(()) };
    events.filter_map(is_end).boxed()
}

async fn give_back(clock: &Clock) {
    ROUNDS.fetch_add(1, Ordering::Relaxed);
    wake_workers();
    mi_collect(true);
    clock.sleep(SETTLING).await;
    mi_collect(true);
    haar_substrate_oci::unmap_idle_code();
}

/// Idle workers look at what there is to do, find nothing and lie down again, which is when they
/// take part.
#[allow(clippy::disallowed_methods)] // nothing to wait for
fn wake_workers() {
    for _ in 0..2 * tokio::runtime::Handle::current().metrics().num_workers() {
        drop(tokio::spawn(tokio::task::yield_now()));
    }
}

/// For each worker, when it has nothing to do: takes part in the round that there may be.
pub(crate) fn lie_down() {
    let round = ROUNDS.load(Ordering::Relaxed);
    if DONE.replace(round) != round {
        mi_collect(true);
    }
}
