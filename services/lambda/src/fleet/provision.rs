//! Provisioned concurrency: environments that are made ahead and stay.

use std::sync::Arc;
use std::time::Duration;

use super::invocation::ahead;
use super::{Fleet, FunctionTarget, Shared};

/// Longest initialization of a provisioned environment. AWS docs: *Lambda execution environment*.
pub(super) const PROVISIONED_INIT_MAX: Duration = Duration::from_secs(900);

/// How far the environments asked for are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProvisionedState {
    /// Asked for.
    pub requested: u32,
    /// Ready.
    pub available: u32,
    /// Why the last one could not be made.
    pub failure: Option<String>,
}

impl Fleet {
    /// Makes environments of a version until `count` are ready, and keeps them; resolves when
    /// they are, or when one cannot be made. Zero lets them go.
    pub async fn provision(&self, target: Arc<FunctionTarget>, count: u32) -> ProvisionedState {
        let pool = self.shared.pool(&target);
        pool.provisioned(|state| {
            state.requested = count;
            state.failure = None;
        });
        fill(&self.shared, &target).await;
        pool.provisioned(|state| state.clone())
    }

    /// How far the environments of a version are made.
    pub fn provisioned(&self, target: &FunctionTarget) -> ProvisionedState {
        let pool = self.shared.pools.lock().get(&target.key()).cloned();
        pool.map(|pool| pool.provisioned(|state| state.clone())).unwrap_or_default()
    }
}

pub(super) async fn fill(shared: &Arc<Shared>, target: &Arc<FunctionTarget>) {
    let pool = shared.pool(target);
    loop {
        let missing = {
            let have = pool.len() as u32;
            pool.provisioned(|state| state.requested).saturating_sub(have)
        };
        if missing == 0 {
            return;
        }
        let making = (0..missing).map(|_| ahead(Arc::clone(shared), Arc::clone(target)));
        let mut failure = None;
        for made in futures_util::future::join_all(making).await {
            match made {
                Ok(lease) => lease.rest(), // what could be made stays, whatever became of others
                Err(reason) => failure = Some(reason),
            }
        }
        if failure.is_some() {
            return pool.provisioned(|state| state.failure = failure);
        }
    }
}
