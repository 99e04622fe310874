//! The loops that look after idle environments.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Shared;
use super::pool::Pool;
use super::provision::fill;

/// How long an environment is idle before it is frozen, so that a busy function's environments
/// are not frozen and thawed each time. *Ours*.
const FREEZE_AFTER: Duration = Duration::from_millis(50);

/// How long a runtime may take to poll before it is looked after. *Ours*.
const LATE_AFTER: Duration = Duration::from_millis(50);

/// Starts the loops; they end with the fleet.
#[allow(clippy::disallowed_methods)] // the fleet's own loops
pub(super) fn start(shared: &Arc<Shared>) {
    tokio::spawn(freeze(Arc::downgrade(shared)));
    tokio::spawn(reap(Arc::downgrade(shared)));
    tokio::spawn(end_late(Arc::downgrade(shared)));
}

async fn freeze(fleet: Weak<Shared>) {
    let Some(tend) = fleet.upgrade().map(|shared| Arc::clone(&shared.told.tend)) else { return };
    loop {
        tend.notified().await;
        loop {
            let Some(shared) = fleet.upgrade() else { return };
            shared.doors.clock.sleep(FREEZE_AFTER).await;
            let mut left = false;
            for pool in pools(&shared) {
                left |= freeze_pool(&pool).await;
            }
            if !left {
                break;
            }
        }
    }
}

/// Freezes what has been idle for long enough; true when some are idle for less.
async fn freeze_pool(pool: &Pool) -> bool {
    for environment in pool.idle_since(FREEZE_AFTER) {
        environment.freeze(|| pool.is_idle(&environment)).await;
    }
    let mut left = false;
    for environment in pool.idle_since(Duration::ZERO) {
        left |= !environment.is_frozen().await && pool.idle_for_less(&environment, FREEZE_AFTER);
    }
    left
}

/// Ends environments that have answered and do not poll before their function's time is up.
async fn end_late(fleet: Weak<Shared>) {
    let told = fleet.upgrade().map(|shared| (shared.told.clone(), shared.doors.clock.clone()));
    let Some((told, clock)) = told else { return };
    loop {
        told.late.notified().await;
        loop {
            clock.sleep(LATE_AFTER).await; // most poll at once
            let Some(shared) = fleet.upgrade() else { return };
            let next = shared.all_pools().iter().filter_map(|pool| pool.end_late()).min();
            drop(shared);
            let Some(next) = next else { break };
            let _ = clock.timeout(next, told.late.notified()).await; // or one is ended sooner
        }
    }
}

async fn reap(fleet: Weak<Shared>) {
    loop {
        let Some(shared) = fleet.upgrade() else { return };
        let idle_max = shared.settings.idle_max;
        let clock = shared.doors.clock.clone();
        drop(shared);
        clock.sleep((idle_max / 4).clamp(Duration::from_millis(50), Duration::from_secs(15))).await;
        let Some(shared) = fleet.upgrade() else { return };
        for pool in pools(&shared) {
            pool.reap(idle_max);
            let state = pool.provisioned(|state| state.clone());
            if state.failure.is_none() && (state.requested as usize) > pool.len() {
                fill(&shared, &pool.target).await; // some have failed since
            }
        }
        shared.pools.lock().retain(|_, pool| !pool.is_empty() || Arc::strong_count(pool) > 1);
        shared.let_retired_go();
        shared.admission.tidy(&clock);
    }
}

fn pools(shared: &Shared) -> Vec<Arc<Pool>> {
    shared.pools.lock().values().cloned().collect()
}
