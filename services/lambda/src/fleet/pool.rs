//! The environments of one function version.

mod unfinished;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use haar_clock::{Clock, Moment};
use haar_substrate::SandboxId;
use parking_lot::Mutex;
use tokio::sync::{Notify, OnceCell, oneshot};

use super::environment::Environment;
use super::watch::Watch;
use super::{FunctionTarget, ProvisionedState};
use crate::runtime_api::{Readiness, ShutdownReason};
pub(super) use unfinished::Unfinished;

/// How long an invocation waits for an environment that has answered and is about to poll,
/// before it makes a new one. *Ours*.
pub(super) const FINISHING_WAIT: Duration = Duration::from_millis(20);

/// How often it looks again when told of a place, which may be another function's. *Ours*.
pub(super) const FINISHING_LOOKS: usize = 16;

/// The environments of one revision of one function version.
pub(super) struct Pool {
    pub(super) target: Arc<FunctionTarget>,
    clock: Clock,
    told: Told,
    state: Mutex<PoolState>,
    /// Of the folder that its code is, where it is one.
    pub(super) watch: OnceCell<Option<Watch>>,
}

/// Who looks after a pool's environments.
#[derive(Clone, Default)]
pub(super) struct Told {
    /// Told when an environment goes idle.
    pub(super) tend: Arc<Notify>,
    /// Told when one has answered and does not poll yet.
    pub(super) late: Arc<Notify>,
}

#[derive(Default)]
struct PoolState {
    members: BTreeMap<SandboxId, Member>,
    /// The one that went idle last is taken first.
    idle: Vec<Arc<Environment>>,
    waiters: VecDeque<oneshot::Sender<Lease>>,
    finishing: usize,
    /// The function has a newer revision or is gone: nothing is kept.
    retired: bool,
    provisioned: ProvisionedState,
}

struct Member {
    environment: Arc<Environment>,
    phase: Phase,
    /// Counts its invocations, so that word of an earlier one does no harm.
    turn: u64,
    idle_since: Moment,
    /// While it is [`Phase::Finishing`].
    unfinished: Option<Box<Unfinished>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Busy,
    /// It has answered but does not poll yet.
    Finishing,
    Idle,
}

/// An environment that is one invocation's own. Dropped without a word, it is discarded.
pub(super) struct Lease {
    pub(super) environment: Arc<Environment>,
    pool: Arc<Pool>,
    turn: u64,
    settled: bool,
}

impl Pool {
    pub(super) fn new(target: Arc<FunctionTarget>, clock: Clock, told: Told) -> Arc<Self> {
        Arc::new(Self { target, clock, told, state: Mutex::default(), watch: OnceCell::new() })
    }

    /// An environment that waits for work, if there is one or is about to be.
    pub(super) async fn take(self: &Arc<Self>) -> Option<Lease> {
        let waiter = {
            let mut state = self.state.lock();
            if let Some(environment) = state.idle.pop() {
                return Some(self.lease(&mut state, environment));
            }
            if state.finishing <= state.waiters.len() {
                return None;
            }
            let (sender, receiver) = oneshot::channel();
            state.waiters.push_back(sender);
            receiver
        };
        self.wait(waiter).await
    }

    async fn wait(&self, mut waiter: oneshot::Receiver<Lease>) -> Option<Lease> {
        match self.clock.timeout(FINISHING_WAIT, &mut waiter).await {
            Ok(lease) => lease.ok(),
            Err(_) => {
                waiter.close();
                waiter.try_recv().ok()
            }
        }
    }

    fn lease(self: &Arc<Self>, state: &mut PoolState, environment: Arc<Environment>) -> Lease {
        let member = state.members.get_mut(&environment.id);
        let turn = member.map_or(0, |member| {
            member.phase = Phase::Busy;
            member.turn += 1;
            member.turn
        });
        Lease { environment, pool: Arc::clone(self), turn, settled: false }
    }

    /// Takes in a new environment for its maker's invocation.
    pub(super) fn admit(self: &Arc<Self>, environment: Arc<Environment>) -> Lease {
        let weak = Arc::downgrade(&environment);
        let returner = Returner { pool: Arc::downgrade(self), environment: weak };
        environment.observe(returner);
        let mut state = self.state.lock();
        let (phase, idle_since) = (Phase::Busy, self.clock.moment());
        let made = Arc::clone(&environment);
        let member = Member { environment: made, phase, turn: 0, idle_since, unfinished: None };
        state.members.insert(environment.id.clone(), member);
        self.lease(&mut state, environment)
    }

    /// The environment's runtime waits for work.
    fn give_back(self: &Arc<Self>, environment: Arc<Environment>) {
        let mut state = self.state.lock();
        let Some(member) = state.members.get_mut(&environment.id) else { return };
        let was = std::mem::replace(&mut member.phase, Phase::Idle);
        member.idle_since = self.clock.moment();
        if let Some(unfinished) = member.unfinished.take() {
            unfinished.finish(&environment, member.idle_since);
        }
        if was == Phase::Finishing {
            state.finishing -= 1;
        }
        if was == Phase::Idle {
            return;
        }
        if state.retired {
            drop(state);
            self.discard(&environment, ShutdownReason::Spindown);
            return;
        }
        while let Some(waiter) = state.waiters.pop_front() {
            let lease = self.lease(&mut state, Arc::clone(&environment));
            match waiter.send(lease) {
                Ok(()) => return,
                Err(mut lease) => lease.settled = true, // it waits no longer: the next one
            }
        }
        if let Some(member) = state.members.get_mut(&environment.id) {
            member.phase = Phase::Idle;
        }
        state.idle.push(environment);
        drop(state);
        self.told.tend.notify_one();
    }

    /// Ends an environment; the caller does not wait for it.
    pub(super) fn discard(&self, environment: &Arc<Environment>, reason: ShutdownReason) {
        let mut state = self.state.lock();
        let member = state.members.remove(&environment.id);
        state.idle.retain(|idle| idle.id != environment.id);
        if member.as_ref().is_some_and(|member| member.phase == Phase::Finishing) {
            state.finishing -= 1;
        }
        drop(state);
        if let Some(unfinished) = member.and_then(|member| member.unfinished) {
            unfinished.finish(environment, self.clock.moment());
        }
        environment.end(reason);
    }

    /// Ends environments whose runtime has answered and did not poll before its function's time
    /// was up; answers when the next is to be ended, if one is.
    pub(super) fn end_late(&self) -> Option<Duration> {
        let now = self.clock.moment();
        let mut late = Vec::new();
        let mut next: Option<Duration> = None;
        {
            let mut state = self.state.lock();
            if state.finishing == 0 {
                return None;
            }
            let mut ended = Vec::new();
            for (id, member) in &state.members {
                let Some(unfinished) = &member.unfinished else { continue };
                match unfinished.left(now) {
                    Duration::ZERO => ended.push(id.clone()),
                    left => next = Some(next.map_or(left, |next| next.min(left))),
                }
            }
            // Out under the same lock: a poll that comes now finds no member to give work to.
            for member in ended.iter().filter_map(|id| state.members.remove(id)).collect::<Vec<_>>()
            {
                state.finishing -= usize::from(member.phase == Phase::Finishing);
                late.extend(member.unfinished.map(|one| (member.environment, one)));
            }
        }
        for (environment, unfinished) in late {
            let failure = environment.time_out(&unfinished.request_id());
            unfinished.cut_short(&environment, &failure, now);
            environment.end(ShutdownReason::Timeout);
        }
        next
    }

    /// True when an invocation is answered whose runtime has yet to poll.
    pub(super) fn has_finishing(&self) -> bool {
        self.state.lock().finishing > 0
    }

    /// Ends all that are idle now, and each of the others when it has answered.
    pub(super) fn retire(&self) {
        let idle = {
            let mut state = self.state.lock();
            state.retired = true;
            std::mem::take(&mut state.idle)
        };
        for environment in idle {
            self.discard(&environment, ShutdownReason::Spindown);
        }
    }

    /// Idle environments, for freezing.
    pub(super) fn idle_since(&self, before: Duration) -> Vec<Arc<Environment>> {
        let now = self.clock.moment();
        let state = self.state.lock();
        let is_old = |member: &&Member| {
            member.phase == Phase::Idle && now.since(member.idle_since) >= before
        };
        let members = state.members.values().filter(is_old);
        members.map(|member| Arc::clone(&member.environment)).collect()
    }

    /// Takes out of the pool what has been idle for too long, but for the provisioned ones.
    pub(super) fn reap(&self, idle_max: Duration) {
        let reaped: Vec<Arc<Environment>> = {
            let mut state = self.state.lock();
            let now = self.clock.moment();
            let spare = state.members.len().saturating_sub(state.provisioned.requested as usize);
            let is_old = |environment: &&Arc<Environment>| {
                let member = state.members.get(&environment.id);
                member.is_some_and(|member| now.since(member.idle_since) >= idle_max)
            };
            let reaped: Vec<_> = state.idle.iter().filter(is_old).take(spare).cloned().collect();
            state.idle.retain(|idle| reaped.iter().all(|one| one.id != idle.id));
            reaped
        };
        for environment in reaped {
            self.discard(&environment, ShutdownReason::Spindown);
        }
    }

    pub(super) fn is_idle(&self, environment: &Environment) -> bool {
        let state = self.state.lock();
        let member = state.members.get(&environment.id);
        member.is_some_and(|member| member.phase == Phase::Idle)
    }

    /// True when it is idle, but not for so long.
    pub(super) fn idle_for_less(&self, environment: &Environment, than: Duration) -> bool {
        let now = self.clock.moment();
        let state = self.state.lock();
        let member = state.members.get(&environment.id);
        member.is_some_and(|member| {
            member.phase == Phase::Idle && now.since(member.idle_since) < than
        })
    }

    /// Takes all environments out, whatever they do.
    pub(super) fn empty(&self) -> Vec<Arc<Environment>> {
        let mut state = self.state.lock();
        state.retired = true;
        state.idle.clear();
        state.finishing = 0;
        let members = std::mem::take(&mut state.members);
        drop(state);
        let now = self.clock.moment();
        let taken = members.into_values().map(|member| {
            if let Some(unfinished) = member.unfinished {
                unfinished.finish(&member.environment, now);
            }
            member.environment
        });
        taken.collect()
    }

    /// True when nothing is in it and nothing is asked of it.
    pub(super) fn is_empty(&self) -> bool {
        let state = self.state.lock();
        state.members.is_empty() && state.provisioned.requested == 0
    }

    /// True when environments are in it, at work or not.
    pub(super) fn has_members(&self) -> bool {
        !self.state.lock().members.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().members.len()
    }

    pub(super) fn provisioned<T>(&self, change: impl FnOnce(&mut ProvisionedState) -> T) -> T {
        let mut state = self.state.lock();
        let available = state.members.len() as u32;
        state.provisioned.available = available.min(state.provisioned.requested);
        change(&mut state.provisioned)
    }
}

impl Lease {
    /// The invocation has its answer; the environment comes back when it polls.
    pub(super) fn answered(mut self, unfinished: Option<Box<Unfinished>>) {
        self.settled = true;
        let mut state = self.pool.state.lock();
        if let Some(member) = state.members.get_mut(&self.environment.id)
            && member.turn == self.turn
            && member.phase == Phase::Busy
        {
            member.phase = Phase::Finishing;
            member.unfinished = unfinished;
            state.finishing += 1;
            drop(state);
            self.pool.told.late.notify_one();
        } else if let Some(unfinished) = unfinished {
            unfinished.finish(&self.environment, self.pool.clock.moment());
        }
    }

    /// Puts an environment that was made ahead with those that wait for work.
    pub(super) fn rest(mut self) {
        self.settled = true;
        self.pool.give_back(Arc::clone(&self.environment));
    }

    /// The environment cannot be used again.
    pub(super) fn discard(mut self, reason: ShutdownReason) {
        self.settled = true;
        self.pool.discard(&self.environment, reason);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.settled {
            self.pool.discard(&self.environment, ShutdownReason::Failure);
        }
    }
}

/// Brings an environment back when its runtime polls, or out when it ends by itself.
pub(super) struct Returner {
    pool: Weak<Pool>,
    environment: Weak<Environment>,
}

impl Readiness for Returner {
    fn ready(&self) {
        if let (Some(pool), Some(environment)) = (self.pool.upgrade(), self.environment.upgrade()) {
            pool.give_back(environment);
        }
    }
}

impl Returner {
    /// Its process has ended while nobody was looking.
    pub(super) fn gone(&self) {
        if let (Some(pool), Some(environment)) = (self.pool.upgrade(), self.environment.upgrade()) {
            let (busy, unfinished) = {
                let mut state = pool.state.lock();
                let member = state.members.get_mut(&environment.id);
                member.map_or((false, None), |member| {
                    (member.phase == Phase::Busy, member.unfinished.take())
                })
            };
            if let (Some(unfinished), Some(ended)) = (unfinished, environment.has_ended()) {
                let failure = environment.failure(&ended, &unfinished.request_id());
                unfinished.cut_short(&environment, &failure, pool.clock.moment());
            }
            if !busy {
                pool.discard(&environment, ShutdownReason::Failure);
            }
        }
    }
}
