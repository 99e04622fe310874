//! The fleet: the environments in which functions run, and the way of one invocation.
//!
//! An environment serves one invocation at a time. It is frozen when it has been idle for a
//! moment, thawed when it is taken, ended when it has been idle for long, when its function
//! changes, or when it fails. A new one is made whenever none is idle, within the limits of
//! account and function.
//!
//! **Invariant:** an invocation that has begun runs to its end, even when its caller hangs up.
//! **Invariant:** nothing here is kept: what a crash leaves behind is swept at the next start.
//!
//! Begin with [`Fleet::invoke`]; its way is in `invocation`.

mod admission;
mod detached;
mod environment;
mod era;
mod invocation;
mod metrics;
mod outcome;
mod pool;
mod provision;
mod spec;
mod target;
mod tend;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use haar_substrate::WarmTemplate;
use parking_lot::Mutex;
use tokio::sync::{OnceCell, Semaphore};

pub(crate) use detached::Detached;
pub(crate) use era::{Era, Eras};
pub(crate) use metrics::record;
pub(crate) use outcome::FunctionFailure;
pub use outcome::{InvokeError, InvokeOutcome, StreamEvent, StreamOutcome, ThrottleReason, Usage};
pub use provision::ProvisionedState;
pub use target::{
    Architecture, ConcurrencyLimits, FunctionTarget, ImageTarget, InvokeRequest, LogFormat,
    Logging, PoolKey, SystemLevel,
};

use crate::doors::{FleetDoors, FunctionImages};
use crate::runtime_api::ShutdownReason;
use crate::runtimes::{Launch, Runtimes};
use admission::Admission;
use pool::{Pool, Told};

/// Waiting interpreters of each runtime in use.
const WARM_PER_TEMPLATE: usize = 2;

/// Runtimes for which interpreters wait; the one used longest ago gives way.
const WARM_TEMPLATES_MAX: usize = 4;

/// What the operator may set.
#[derive(Clone, Debug)]
pub struct FleetSettings {
    /// Where bootstraps are laid.
    pub data_dir: PathBuf,
    /// A `node_modules` folder whose packages Node functions find; else where npm puts them.
    pub node_modules: Option<PathBuf>,
    /// How long an environment stays without work. *Ours*: AWS names no figure.
    pub idle_max: Duration,
    /// Environments that may be starting at once; more wait for their turn.
    pub starting_max: usize,
}

impl FleetSettings {
    /// The usual settings.
    pub fn new(data_dir: PathBuf) -> Self {
        let idle_max = Duration::from_secs(600);
        Self { data_dir, node_modules: None, idle_max, starting_max: 16 }
    }
}

/// All environments. Cheap to clone.
#[derive(Clone)]
pub struct Fleet {
    shared: Arc<Shared>,
}

struct Shared {
    doors: FleetDoors,
    settings: FleetSettings,
    runtimes: OnceCell<Arc<Runtimes>>,
    pools: Mutex<BTreeMap<PoolKey, Arc<Pool>>>,
    admission: Arc<Admission>,
    starting: Semaphore,
    told: Told,
    /// Pools that are no functions' any more, while environments in them are at work.
    retired: Mutex<Vec<Arc<Pool>>>,
    eras: Eras,
    /// Templates in use, the latest first.
    warm: Mutex<Vec<WarmTemplate>>,
    stopping: AtomicBool,
}

impl Fleet {
    /// A fleet without environments. Must be called inside a tokio runtime.
    pub fn new(doors: FleetDoors, settings: FleetSettings) -> Self {
        let shared = Arc::new(Shared {
            starting: Semaphore::new(settings.starting_max.max(1)),
            doors,
            settings,
            runtimes: OnceCell::new(),
            pools: Mutex::default(),
            admission: Arc::default(),
            told: Told::default(),
            retired: Mutex::default(),
            eras: Eras::default(),
            warm: Mutex::default(),
            stopping: AtomicBool::new(false),
        });
        tend::start(&shared);
        Self { shared }
    }

    /// The host's runtimes; looked for at the first call.
    ///
    /// # Errors
    /// In words for the operator, when haar's bootstraps cannot be written.
    pub async fn runtimes(&self) -> Result<Arc<Runtimes>, String> {
        self.shared.runtimes().await
    }

    /// Has an interpreter of a runtime waiting ahead of the first invocation.
    pub async fn warm_up(&self, runtime: &str, memory: haar_types::MemoryMib) {
        if let Ok(runtimes) = self.shared.runtimes().await
            && let Ok(launch) = runtimes.launch(runtime, memory)
            && let Some(template) = launch.template
        {
            self.shared.use_template(&template).await;
        }
    }

    /// Runs a function once and answers what it answered. Goes on to the end even when the
    /// future is dropped.
    ///
    /// # Errors
    /// When the function was not reached; what it did itself is in the outcome.
    pub async fn invoke(
        &self,
        target: Arc<FunctionTarget>,
        request: InvokeRequest,
    ) -> Result<InvokeOutcome, InvokeError> {
        let shared = Arc::clone(&self.shared);
        Detached::new(invocation::buffered(shared, target, request)).await
    }

    /// Runs a function once and answers what it answers as it comes.
    ///
    /// # Errors
    /// When the function was not reached.
    pub async fn invoke_streaming(
        &self,
        target: Arc<FunctionTarget>,
        request: InvokeRequest,
    ) -> Result<StreamOutcome, InvokeError> {
        invocation::streaming(Arc::clone(&self.shared), target, request).await
    }

    /// What environments that are there, or on their way, were made from, if it is this build.
    pub(crate) fn known_target(&self, key: &PoolKey, build: &str) -> Option<Arc<FunctionTarget>> {
        let pools = self.shared.pools.lock();
        let target = &pools.get(key)?.target;
        (target.revision == build).then(|| Arc::clone(target))
    }

    /// Ends the environments of a function (of one version, or of all): it changed or is gone.
    /// Those at work end when they have answered.
    pub fn retire(&self, target: &FunctionTarget) {
        self.retire_key(&target.key());
    }

    /// The same by name.
    pub fn retire_key(&self, key: &PoolKey) {
        let pool = self.shared.pools.lock().remove(key);
        if let Some(pool) = pool {
            self.shared.retire(pool);
        }
    }

    /// Ends the environments of all versions of a function that is gone.
    pub fn retire_function(
        &self,
        account: &haar_types::AccountId,
        region: &haar_types::Region,
        function_name: &str,
    ) {
        let retired: Vec<Arc<Pool>> = {
            let mut pools = self.shared.pools.lock();
            let is_it =
                |key: &PoolKey| &key.0 == account && &key.1 == region && key.2 == function_name;
            let keys: Vec<PoolKey> = pools.keys().filter(|key| is_it(key)).cloned().collect();
            keys.iter().filter_map(|key| pools.remove(key)).collect()
        };
        for pool in retired {
            self.shared.retire(pool);
        }
    }

    /// How many environments there are.
    pub fn environment_count(&self) -> usize {
        self.shared.all_pools().iter().map(|pool| pool.len()).sum()
    }

    /// Where the code and the layers are that environments have or are about to have, those too
    /// whose function has changed or is gone.
    pub(crate) fn code_in_use(&self) -> BTreeSet<PathBuf> {
        self.shared.let_retired_go();
        let pools = self.shared.all_pools();
        let targets = pools.iter().map(|pool| &pool.target);
        targets.flat_map(|target| target.layers.iter().chain([&target.code])).cloned().collect()
    }

    /// Where functions' images come from.
    pub(crate) fn images(&self) -> Arc<dyn FunctionImages> {
        Arc::clone(&self.shared.doors.images)
    }

    /// Where the fleet's metric values go.
    pub(crate) fn metrics(&self) -> Arc<dyn haar_cloudwatch_contract::peek::MetricSink> {
        Arc::clone(&self.shared.doors.metrics)
    }

    /// Ends all environments and waits for it; interpreters go on waiting.
    pub async fn end_all(&self) {
        let pools = std::mem::take(&mut *self.shared.pools.lock());
        let retired = std::mem::take(&mut *self.shared.retired.lock());
        let mut ending = tokio::task::JoinSet::new();
        for environment in pools.values().chain(&retired).flat_map(|pool| pool.empty()) {
            ending.spawn(environment.end_now(ShutdownReason::Spindown));
        }
        while ending.join_next().await.is_some() {}
    }

    /// Ends all environments for a reset: what is under way leaves no trace after it.
    pub async fn forget_all(&self) {
        self.shared.eras.next();
        self.end_all().await;
    }

    /// The time between two resets that this is.
    pub(crate) fn era(&self) -> Era {
        self.shared.eras.now()
    }

    /// True once haar has begun to end: what fails now says nothing about functions.
    pub(crate) fn is_stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::Relaxed)
    }

    /// Ends all environments and waiting interpreters, and waits for it.
    pub async fn shut_down(&self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.end_all().await;
        let _ = self.shared.doors.substrate.prepare(Vec::new()).await; // it ends with the server
    }
}

impl Shared {
    async fn runtimes(&self) -> Result<Arc<Runtimes>, String> {
        let FleetSettings { data_dir, node_modules, .. } = self.settings.clone();
        let discover = || async {
            let discover = move || Runtimes::discover(&data_dir, node_modules.as_deref());
            match tokio::task::spawn_blocking(discover).await {
                Ok(Ok(runtimes)) => Ok(Arc::new(runtimes)),
                Ok(Err(error)) => Err(format!("could not write haar's bootstraps: {error}")),
                Err(error) => Err(format!("could not look for interpreters: {error}")),
            }
        };
        self.runtimes.get_or_try_init(discover).await.cloned()
    }

    /// How a target's program is started.
    async fn launch(&self, target: &FunctionTarget) -> Result<Launch, InvokeError> {
        if target.image.is_some() {
            return Ok(Launch::of_image());
        }
        let runtimes = self.runtimes().await.map_err(InvokeError::Service)?;
        runtimes.launch(&target.runtime, target.memory).map_err(InvokeError::InvalidRuntime)
    }

    /// The pool of a target; one of an older revision is retired.
    fn pool(&self, target: &Arc<FunctionTarget>) -> Arc<Pool> {
        let key = target.key();
        let mut pools = self.pools.lock();
        if let Some(pool) = pools.get(&key)
            && pool.target.revision == target.revision
        {
            return Arc::clone(pool);
        }
        let clock = self.doors.clock.clone();
        let pool = Pool::new(Arc::clone(target), clock, self.told.clone());
        let old = pools.insert(key, Arc::clone(&pool));
        drop(pools);
        if let Some(old) = old {
            self.retire(old);
        }
        pool
    }

    /// Lets a pool go that is out of [`Self::pools`]; one that still works is looked after.
    fn retire(&self, pool: Arc<Pool>) {
        pool.retire();
        self.retired.lock().push(pool); // one in which an environment is still to come, too
    }

    /// Forgets retired pools in which nothing is at work any more.
    fn let_retired_go(&self) {
        let mut retired = self.retired.lock();
        retired.retain(|pool| pool.has_members() || Arc::strong_count(pool) > 1);
    }

    /// All pools, those too that are retired.
    fn all_pools(&self) -> Vec<Arc<Pool>> {
        let mut all: Vec<_> = self.pools.lock().values().cloned().collect();
        all.extend(self.retired.lock().iter().cloned());
        all
    }

    /// Keeps interpreters of this template waiting from now on.
    async fn use_template(&self, template: &WarmTemplate) {
        let wanted: Vec<(WarmTemplate, usize)> = {
            let mut warm = self.warm.lock();
            if warm.first() == Some(template) {
                return;
            }
            let known = warm.len();
            warm.retain(|one| one != template);
            let is_new = warm.len() == known;
            warm.insert(0, template.clone());
            warm.truncate(WARM_TEMPLATES_MAX);
            if !is_new {
                return;
            }
            warm.iter().map(|one| (one.clone(), WARM_PER_TEMPLATE)).collect()
        };
        if let Err(error) = self.doors.substrate.prepare(wanted).await {
            tracing::warn!(%error, "could not keep interpreters waiting");
        }
    }
}
