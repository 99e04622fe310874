//! How much may run at once, and how fast a function may grow.

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_clock::{Clock, Moment};
use haar_types::{AccountId, Region};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{ConcurrencyLimits, FunctionTarget, ThrottleReason};

/// New environments of one function in ten seconds. AWS docs: *Lambda scaling behavior*.
const SCALING_BURST: f64 = 1000.0;

/// The same, per second.
const SCALING_PER_SECOND: f64 = 100.0;

type AccountKey = (AccountId, Region);

/// Counts what runs in each account and region.
#[derive(Debug, Default)]
pub(super) struct Admission {
    accounts: Mutex<BTreeMap<AccountKey, AccountLoad>>,
    /// Told when a place is given back.
    pub(super) freed: Notify,
}

#[derive(Debug, Default)]
struct AccountLoad {
    unreserved: u32,
    functions: BTreeMap<String, FunctionLoad>,
}

#[derive(Debug, Default)]
struct FunctionLoad {
    running: u32,
    /// Of those, what runs on versions' provisioned concurrency.
    provisioned: BTreeMap<String, u32>,
    /// New environments that may be made now, as of the moment.
    growth: Option<(f64, Moment)>,
}

/// What runs now, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) function: u32,
    pub(super) unreserved: u32,
}

/// Whose concurrency a place is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    /// The function's reservation.
    Reserved,
    /// What is provisioned for the version, which nobody else may have.
    Provisioned,
    /// What the account has left.
    Unreserved,
}

/// A place among the invocations that run; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    admission: Arc<Admission>,
    key: AccountKey,
    function: String,
    version: String,
    share: Share,
    pub(super) load: Load,
}

impl Admission {
    /// Takes a place for one invocation of a version for which so many are provisioned.
    pub(super) fn enter(
        self: &Arc<Self>,
        target: &FunctionTarget,
        limits: ConcurrencyLimits,
        provisioned: u32,
    ) -> Result<Place, ThrottleReason> {
        let key = (target.account.clone(), target.region.clone());
        let mut accounts = self.accounts.lock();
        let account = accounts.entry(key.clone()).or_default();
        let function = account.functions.entry(target.function_name.clone()).or_default();
        let ahead = function.provisioned.get(&target.version).copied().unwrap_or_default();
        let share = match limits.reserved {
            Some(reserved) if function.running >= reserved => {
                return Err(ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded);
            }
            Some(_) => Share::Reserved,
            None if ahead < provisioned => {
                function.provisioned.insert(target.version.clone(), ahead + 1);
                Share::Provisioned
            }
            None if account.unreserved >= limits.unreserved => {
                return Err(ThrottleReason::ConcurrentInvocationLimitExceeded);
            }
            None => {
                account.unreserved += 1;
                Share::Unreserved
            }
        };
        function.running += 1;
        let load = Load { function: function.running, unreserved: account.unreserved };
        drop(accounts);
        let function = target.function_name.clone();
        let version = target.version.clone();
        Ok(Place { admission: Arc::clone(self), key, function, version, share, load })
    }

    /// Takes one of the new environments that a function may make.
    pub(super) fn grow(&self, place: &Place, clock: &Clock) -> Result<(), ThrottleReason> {
        let now = clock.moment();
        let mut accounts = self.accounts.lock();
        let account = accounts.entry(place.key.clone()).or_default();
        let function = account.functions.entry(place.function.clone()).or_default();
        let (left, since) = function.growth.unwrap_or((SCALING_BURST, now));
        let refilled = left + now.since(since).as_secs_f64() * SCALING_PER_SECOND;
        let left = refilled.min(SCALING_BURST);
        function.growth = Some(((left - 1.0).max(0.0), now));
        match left >= 1.0 {
            true => Ok(()),
            false => Err(ThrottleReason::FunctionInvocationRateLimitExceeded),
        }
    }

    fn leave(&self, place: &Place) {
        let mut accounts = self.accounts.lock();
        let Some(account) = accounts.get_mut(&place.key) else { return };
        if place.share == Share::Unreserved {
            account.unreserved = account.unreserved.saturating_sub(1);
        }
        if let Some(function) = account.functions.get_mut(&place.function) {
            function.running = function.running.saturating_sub(1);
            if place.share == Share::Provisioned
                && let Some(ahead) = function.provisioned.get_mut(&place.version)
            {
                *ahead = ahead.saturating_sub(1);
            }
        }
    }

    /// Forgets functions that do not run and may grow freely again.
    pub(super) fn tidy(&self, clock: &Clock) {
        let now = clock.moment();
        let fresh = |load: &FunctionLoad| {
            load.growth.is_some_and(|(left, since)| {
                left + now.since(since).as_secs_f64() * SCALING_PER_SECOND < SCALING_BURST
            })
        };
        let mut accounts = self.accounts.lock();
        for account in accounts.values_mut() {
            account.functions.retain(|_, load| load.running > 0 || fresh(load));
        }
        accounts.retain(|_, account| account.unreserved > 0 || !account.functions.is_empty());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.leave(self);
        self.admission.freed.notify_waiters();
    }
}
