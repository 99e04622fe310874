//! What the fleet and the queue learn from the room's rows, remembered while it holds.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};

use haar_kv::KvError;
use haar_types::{AccountId, Region};
use haar_wire::AwsError;
use parking_lot::Mutex;

use super::queue::QueueParts;
use super::{
    AsyncConfig, AsyncQueue, AsyncTarget, EventSender, EventTarget, FunctionDirectory, Link,
    QueueSettings, Sampled,
};
use crate::Lambda;
use crate::fleet::{ConcurrencyLimits, FunctionTarget, PoolKey};
use crate::lookup::{ResolvedVersion, resolve_key};
use crate::state::{EventInvokeRow, FunctionKey, FunctionRow, VersionKey, VersionRow};

/// Names the pool of a version's environments.
pub(crate) fn pool_key(key: &VersionKey) -> PoolKey {
    let FunctionKey { account, region, name } = key.function.clone();
    (account, region, name, key.version.to_string())
}

/// Sums over rows, so that a warm invocation does not make them again.
#[derive(Default)]
pub(crate) struct Remembered {
    /// By account and region: the state's version, and what reservations left over then.
    unreserved: Mutex<BTreeMap<(AccountId, Region), (u64, u32)>>,
    queue: OnceLock<AsyncQueue>,
    pub(crate) sampled: Sampled,
}

impl Lambda {
    /// Starts to work on asynchronous events; to be called once, when all rooms are there.
    ///
    /// # Errors
    /// When the events that were left in the queue cannot be read.
    pub fn start(self: &Arc<Self>, targets: Arc<dyn EventTarget>) -> Result<(), KvError> {
        let settings = QueueSettings {
            wait_divisor: self.doors.settings.wait_divisor,
            ..QueueSettings::default()
        };
        let queue = AsyncQueue::open(QueueParts {
            fleet: self.fleet.clone(),
            directory: Arc::new(Rows(Arc::downgrade(self))),
            targets,
            kv: self.doors.kv.clone(),
            clock: self.doors.clock.clone(),
            metrics: self.fleet.metrics(),
            settings,
        })?;
        let _ = self.remembered.queue.set(queue); // a second start keeps the first queue
        Ok(())
    }

    /// The queue of asynchronous events.
    pub(crate) fn queue(&self) -> Result<&AsyncQueue, AwsError> {
        let queue = self.remembered.queue.get();
        queue.ok_or_else(|| AwsError::internal_failure("haar is starting"))
    }

    /// Forgets all asynchronous events and ends all environments, for a reset.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn reset(&self) -> Result<(), KvError> {
        self.pollers.stop_all();
        if let Some(queue) = self.remembered.queue.get() {
            queue.clear()?;
        }
        self.remembered.unreserved.lock().clear();
        self.fleet.forget_all().await;
        self.let_images_go();
        Ok(())
    }

    /// What the fleet must know to run a version: rendered, unless environments of its build are
    /// there, so that a warm invocation does not render it again.
    pub(crate) fn cached_target(&self, version: &VersionRow) -> Arc<FunctionTarget> {
        let known = self.fleet.known_target(&pool_key(&version.version_key()), version.running().1);
        known.unwrap_or_else(|| Arc::new(self.target(version)))
    }

    /// How much of a function may run at once, remembered while nothing changes.
    pub(crate) fn cached_limits(&self, function: &FunctionRow) -> ConcurrencyLimits {
        let snapshot = self.doors.ledger.snapshot();
        let key = (function.key.account.clone(), function.key.region.clone());
        let mut unreserved = self.remembered.unreserved.lock();
        if let Some((version, left)) = unreserved.get(&key)
            && *version == snapshot.version()
        {
            let (reserved, unreserved) = (function.reserved_concurrency, *left);
            return ConcurrencyLimits { reserved, unreserved };
        }
        let limits = self.limits(&snapshot, function);
        unreserved.insert(key, (snapshot.version(), limits.unreserved));
        limits
    }

    fn async_config(&self, resolved: &ResolvedVersion) -> AsyncConfig {
        let snapshot = self.doors.ledger.snapshot();
        let row = snapshot.get::<EventInvokeRow>(&resolved.settings_key());
        let mut config = AsyncConfig {
            dead_letter: resolved.version.settings.dead_letter_arn.clone(),
            ..AsyncConfig::default()
        };
        if let Some(row) = row {
            if let Some(retries) = row.maximum_retry_attempts {
                config.retry_attempts_max = retries;
            }
            if let Some(seconds) = row.maximum_event_age_s {
                config.event_age_max = std::time::Duration::from_secs(u64::from(seconds));
            }
            config.on_success = row.on_success.clone();
            config.on_failure = row.on_failure.clone();
        }
        config
    }
}

/// Finds the queue's functions in the room's rows.
struct Rows(Weak<Lambda>);

impl FunctionDirectory for Rows {
    fn find(
        &self,
        account: &AccountId,
        region: &Region,
        function_name: &str,
        qualifier: Option<&str>,
    ) -> Option<AsyncTarget> {
        let room = self.0.upgrade()?;
        let key = FunctionKey::new(account, region, function_name);
        let chance = room.doors.ids.draw() as f64 / u64::MAX as f64;
        let resolved = resolve_key(&room.doors.ledger.snapshot(), &key, qualifier, chance).ok()?;
        Some(AsyncTarget {
            target: room.cached_target(&resolved.version),
            limits: room.cached_limits(&resolved.function),
            alias: resolved.alias.as_ref().map(|alias| alias.name.clone()),
            config: room.async_config(&resolved),
        })
    }

    fn may_invoke(&self, sender: &EventSender<'_>, function_arn: &str) -> Result<(), String> {
        let room = self.0.upgrade().ok_or("haar is stopping")?;
        let name = sender.function_arn.rsplit(':').next().unwrap_or_default();
        let key = FunctionKey::new(sender.account, sender.region, name);
        room.may_deliver(&key, sender.role_arn, function_arn)
    }

    fn link(
        &self,
        account: &AccountId,
        region: &Region,
        function_name: &str,
        trace: Option<&str>,
    ) -> Option<Link> {
        let room = self.0.upgrade()?;
        let key = FunctionKey::new(account, region, function_name);
        let resolved = resolve_key(&room.doors.ledger.snapshot(), &key, None, 0.0).ok()?;
        Some(room.link(&resolved.function, &resolved.version, trace))
    }
}
