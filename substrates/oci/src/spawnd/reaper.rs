//! Hears of every end: polls the pidfds of all processes, reaps them, and says so.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use haar_clock::{Clock, Moment};
use haar_substrate::{Exit, SandboxId};
use parking_lot::Mutex;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};

use super::exec::Session;
use super::helper::Helper;
use super::joining::{self, Joining};
use super::log;
use super::unit::{Owner, Unit};
use super::vigil::Vigil;
use crate::cgroup::Alarm;
use crate::proto::ToServer;
use crate::sys::{self, Ended};

/// Token of the event descriptor that wakes the reaper.
const WAKE: u64 = 0;
/// Token of what is told of the helper's directory.
const VIGIL: u64 = u64::MAX;

/// Which of a unit's processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    First,
    Program,
}

/// What the reaper watches.
pub(super) struct Reaper {
    poll: OwnedFd,
    wake: OwnedFd,
    pub(super) clock: Clock,
    watched: Mutex<Watched>,
    deadlines: Mutex<Vec<(Moment, Due)>>,
    vigil: OnceLock<Vigil>,
}

/// What is killed when its grace is over.
#[derive(Clone)]
pub(super) enum Due {
    /// A sandbox that is being removed.
    Sandbox(SandboxId),
    /// One run of a container.
    Unit(Weak<Unit>),
    /// A program that has not begun; and the token of what it tells.
    Joining(u64, Weak<Joining>),
}

/// By token, and the last token given.
type Watched = (u64, BTreeMap<u64, Subject>);

/// One process that is watched.
#[derive(Clone)]
enum Subject {
    Unit(Arc<Unit>, Which),
    Session(Arc<Session>),
    /// A container's memory.
    Memory(Arc<Unit>, Arc<Alarm>),
    /// What is told of a program on its way into a container.
    Joining(Arc<Joining>),
    /// Whoever makes its process; and the token of what it tells.
    Outside(Arc<Joining>, u64),
    /// What was killed before it was anything: it is only to be reaped.
    Stray(Arc<OwnedFd>),
}

impl Reaper {
    pub(super) fn new() -> io::Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&poll, &wake, epoll::EventData::new_u64(WAKE), epoll::EventFlags::IN)?;
        Ok(Self {
            poll,
            wake,
            clock: Clock::system(),
            watched: Mutex::new((WAKE, BTreeMap::new())),
            deadlines: Mutex::default(),
            vigil: OnceLock::new(),
        })
    }

    /// Hears of it when the helper's directory is deleted.
    pub(super) fn keep_vigil(&self, vigil: Vigil) -> io::Result<()> {
        let vigil = self.vigil.get_or_init(|| vigil);
        let data = epoll::EventData::new_u64(VIGIL);
        Ok(epoll::add(&self.poll, vigil, data, epoll::EventFlags::IN)?)
    }

    /// Watches one of a unit's processes.
    pub(super) fn watch(&self, unit: &Arc<Unit>, which: Which) -> io::Result<()> {
        let token = {
            let mut watched = self.watched.lock();
            watched.0 += 1;
            let token = watched.0;
            watched.1.insert(token, Subject::Unit(unit.clone(), which));
            token
        };
        let data = epoll::EventData::new_u64(token);
        let life = unit.life.lock();
        let pidfd = match (which, &life.program) {
            (Which::Program, Some(program)) => program.pidfd.as_fd(),
            _ => unit.shell.init.pidfd.as_fd(),
        };
        Ok(epoll::add(&self.poll, pidfd, data, epoll::EventFlags::IN)?)
    }

    /// Watches a container's memory, where the host can tell.
    pub(super) fn watch_memory(&self, unit: &Arc<Unit>) -> io::Result<()> {
        let alarm = Arc::new(unit.cgroup.alarm()?);
        let mut watched = self.watched.lock();
        watched.0 += 1;
        let token = watched.0;
        let data = epoll::EventData::new_u64(token);
        epoll::add(&self.poll, &alarm, data, alarm.flags())?;
        watched.1.insert(token, Subject::Memory(unit.clone(), alarm));
        drop(watched);
        *unit.memory_watch.lock() = Some(token);
        Ok(())
    }

    /// The kernel is about to kill a process of a container, or has.
    fn memory_ran_out(&self, helper: &Helper, unit: &Unit, alarm: &Alarm) {
        if alarm.rang() && unit.cgroup.is_there() {
            tell_starved(helper, unit);
        }
    }

    /// No alarm is heard any more; one that rang a moment ago is.
    fn forget_memory(&self, helper: &Helper, unit: &Unit) {
        let Some(token) = unit.memory_watch.lock().take() else { return };
        let subject = self.watched.lock().1.remove(&token);
        if let Some(Subject::Memory(unit, alarm)) = subject {
            let _ = epoll::delete(&self.poll, &alarm);
            self.memory_ran_out(helper, &unit, &alarm);
        }
    }

    /// Watches a program run by `exec`.
    pub(super) fn watch_session(&self, session: &Arc<Session>) -> io::Result<()> {
        self.watch_subject(Subject::Session(session.clone()), session.child.pidfd.as_fd()).map(drop)
    }

    /// Watches a program on its way into a container, for a while.
    pub(super) fn watch_joining(&self, joining: &Arc<Joining>, limit: Duration) -> io::Result<()> {
        let told = joining.entering.told.as_fd();
        let token = self.watch_subject(Subject::Joining(joining.clone()), told)?;
        let outside = joining.entering.outside.pidfd.as_fd();
        self.watch_subject(Subject::Outside(joining.clone(), token), outside)
            .inspect_err(|_| self.forget(token))?;
        self.kill_after(Due::Joining(token, Arc::downgrade(joining)), limit);
        Ok(())
    }

    /// Reaps what was killed, when it has ended.
    pub(super) fn watch_stray(&self, pidfd: OwnedFd) {
        let pidfd = Arc::new(pidfd);
        if let Err(error) = self.watch_subject(Subject::Stray(pidfd.clone()), pidfd.as_fd()) {
            log(&format!("could not watch a process that was killed: {error}"));
        }
    }

    fn watch_subject(&self, subject: Subject, of: BorrowedFd<'_>) -> io::Result<u64> {
        let mut watched = self.watched.lock();
        watched.0 += 1;
        let token = watched.0;
        self.hear_of(token, of)?;
        watched.1.insert(token, subject);
        Ok(token)
    }

    /// Hears of one more descriptor of what it watches.
    pub(super) fn hear_of(&self, token: u64, what: BorrowedFd<'_>) -> io::Result<()> {
        let data = epoll::EventData::new_u64(token);
        Ok(epoll::add(&self.poll, what, data, epoll::EventFlags::IN)?)
    }

    /// Hears of a descriptor no more.
    pub(super) fn hear_no_more(&self, what: BorrowedFd<'_>) {
        let _ = epoll::delete(&self.poll, what); // it may not have been heard of
    }

    /// Watches something no more.
    pub(super) fn forget(&self, token: u64) {
        self.watched.lock().1.remove(&token);
    }

    /// Programs that are on their way into a container.
    pub(super) fn joining_count(&self, unit: &Arc<Unit>) -> usize {
        self.all_joining(|joining| Arc::ptr_eq(&joining.unit, unit).then_some(())).len()
    }

    /// The processes of all that are on their way, as far as they are known.
    pub(super) fn joining_pids(&self) -> BTreeSet<u32> {
        self.all_joining(|joining| joining.pid()).into_iter().collect()
    }

    fn all_joining<T>(&self, of: impl Fn(&Joining) -> Option<T>) -> Vec<T> {
        let watched = self.watched.lock();
        let joining = watched.1.values().filter_map(|subject| match subject {
            Subject::Joining(joining) => of(joining),
            _ => None,
        });
        joining.collect()
    }

    /// Has something killed after a while.
    pub(super) fn kill_after(&self, due: Due, grace: Duration) {
        self.deadlines.lock().push((self.clock.moment().after(grace), due));
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// Runs the thread.
    pub(super) fn run(&self, helper: &Arc<Helper>) {
        let mut events = Vec::with_capacity(64);
        loop {
            events.clear();
            let timeout = self.next_deadline();
            let buffer = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.poll, buffer, timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => log(&format!("could not wait for ends: {error}")),
            }
            for event in &events {
                match event.data.u64() {
                    WAKE => drop(rustix::io::read(&self.wake, &mut [0u8; 8])),
                    VIGIL if self.vigil.get().is_some_and(Vigil::is_over) => helper.abandon(),
                    VIGIL => {}
                    token => self.ended(helper, token),
                }
            }
            for due in self.due() {
                match due {
                    Due::Sandbox(id) => helper.grace_over(&id),
                    Due::Unit(unit) => {
                        if let Some(unit) = unit.upgrade() {
                            unit.kill();
                        }
                    }
                    Due::Joining(token, joining) => {
                        if let Some(joining) = joining.upgrade() {
                            joining::overdue(helper, token, &joining);
                        }
                    }
                }
            }
        }
    }

    fn session_ended(&self, helper: &Arc<Helper>, token: u64, session: &Session) {
        let pidfd = session.child.pidfd.as_fd();
        let (code, signal) = match sys::reap(pidfd) {
            Ok(Some(Ended::Code(code))) => (Some(code), None),
            Ok(Some(Ended::Signal(signal))) => (None, Some(signal)),
            Ok(None) => return,
            Err(_) => (None, Some(libc::SIGKILL)),
        };
        let _ = epoll::delete(&self.poll, pidfd);
        self.watched.lock().1.remove(&token);
        helper.session_ended(session, Exit { code, signal, out_of_memory: false });
    }

    fn outside_ended(&self, helper: &Helper, token: u64, (joining, told): (&Arc<Joining>, u64)) {
        let pidfd = joining.entering.outside.pidfd.as_fd();
        if matches!(sys::reap(pidfd), Ok(None)) {
            return;
        }
        self.hear_no_more(pidfd);
        self.forget(token);
        joining::outside_ended(helper, told, joining);
    }

    fn stray_ended(&self, token: u64, pidfd: &OwnedFd) {
        if !matches!(sys::reap(pidfd.as_fd()), Ok(None)) {
            self.hear_no_more(pidfd.as_fd());
            self.forget(token);
        }
    }

    fn next_deadline(&self) -> Option<Timespec> {
        let next = self.deadlines.lock().iter().map(|(at, _)| *at).min()?;
        let wait = next.since(self.clock.moment());
        Timespec::try_from(wait).ok()
    }

    fn due(&self) -> Vec<Due> {
        let now = self.clock.moment();
        let mut due = Vec::new();
        self.deadlines.lock().retain(|(at, what)| {
            let keep = *at > now;
            if !keep {
                due.push(what.clone());
            }
            keep
        });
        due
    }

    fn ended(&self, helper: &Arc<Helper>, token: u64) {
        let subject = self.watched.lock().1.get(&token).cloned();
        let (unit, which) = match subject {
            Some(Subject::Unit(unit, which)) => (unit, which),
            Some(Subject::Session(session)) => return self.session_ended(helper, token, &session),
            Some(Subject::Memory(unit, alarm)) => {
                return self.memory_ran_out(helper, &unit, &alarm);
            }
            Some(Subject::Joining(joining)) => return joining::told(helper, token, &joining),
            Some(Subject::Outside(joining, told)) => {
                return self.outside_ended(helper, token, (&joining, told));
            }
            Some(Subject::Stray(pidfd)) => return self.stray_ended(token, &pidfd),
            None => return,
        };
        let life = unit.life.lock();
        let pidfd = match (which, &life.program) {
            (Which::Program, Some(program)) => program.pidfd.as_fd(),
            _ => unit.shell.init.pidfd.as_fd(),
        };
        let ended = match sys::reap(pidfd) {
            Ok(Some(ended)) => ended,
            Ok(None) => return,
            // nothing to reap: it cannot be told how it ended
            Err(_) => Ended::Signal(libc::SIGKILL),
        };
        let _ = epoll::delete(&self.poll, pidfd);
        self.watched.lock().1.remove(&token);
        let sole = unit.is_sole();
        match which {
            Which::First if !sole => {
                drop(life);
                helper.unit_gone(&unit);
            }
            Which::First | Which::Program => {
                let (code, signal) = match ended {
                    Ended::Code(code) => (Some(code), None),
                    Ended::Signal(signal) => (None, Some(signal)),
                };
                drop(life);
                self.forget_memory(helper, &unit);
                let out_of_memory = unit.cgroup.oom_kill_count() > 0;
                if out_of_memory {
                    unit.cgroup.spoil();
                    // the kernel may have killed it before anybody listened
                    if unit.own.is_some() && !unit.life.lock().starved {
                        tell_starved(helper, &unit);
                    }
                }
                let mut life = unit.life.lock();
                let exit = Exit { code, signal, out_of_memory };
                let at = self.clock.now();
                life.exit = Some(exit);
                life.ended_at = Some(at);
                let owner = life.owner.clone();
                drop(life);
                helper.program_ended(&unit, owner, (exit, at));
                if sole {
                    helper.unit_gone(&unit);
                }
            }
        }
    }
}

/// Says that a container's memory has run out.
fn tell_starved(helper: &Helper, unit: &Unit) {
    let mut life = unit.life.lock();
    life.starved = true;
    if let Some(Owner { id, container, .. }) = life.owner.clone() {
        helper.link.tell(&ToServer::OutOfMemory { id, container });
    }
}
