//! Hears of every end: polls the pidfds of all processes, reaps them, and says so.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use haar_clock::{Clock, Moment};
use haar_substrate::{Exit, SandboxId};
use parking_lot::Mutex;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};

use super::exec::Session;
use super::helper::Helper;
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
        if !alarm.rang() || !unit.cgroup.is_there() {
            return;
        }
        let life = unit.life.lock();
        if let Some(Owner { id, container, .. }) = life.owner.clone() {
            helper.link.tell(&ToServer::OutOfMemory { id, container });
        }
    }

    /// No alarm is heard any more; one that rang a moment ago is.
    fn forget_memory(&self, helper: &Helper, unit: &Unit) {
        let Some(token) = unit.memory_watch.lock().take() else { return };
        let subject = self.watched.lock().1.remove(&token);
        if let Some(Subject::Memory(unit, alarm)) = subject {
            let _ = epoll::delete(&self.poll, &alarm);
            if matches!(*alarm, Alarm::Bell(..)) {
                self.memory_ran_out(helper, &unit, &alarm);
            }
        }
    }

    /// Watches a program run by `exec`.
    pub(super) fn watch_session(&self, session: &Arc<Session>) -> io::Result<()> {
        let mut watched = self.watched.lock();
        watched.0 += 1;
        let token = watched.0;
        watched.1.insert(token, Subject::Session(session.clone()));
        let data = epoll::EventData::new_u64(token);
        let pidfd = session.child.pidfd.as_fd();
        Ok(epoll::add(&self.poll, pidfd, data, epoll::EventFlags::IN)?)
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
                let mut life = unit.life.lock();
                let out_of_memory = unit.cgroup.oom_kill_count() > 0;
                if out_of_memory {
                    unit.cgroup.spoil();
                }
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
