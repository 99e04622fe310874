//! What the helper knows: its sandboxes, its pools, its server.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use haar_substrate::{Exit, Lifetime, SandboxId};
use haar_types::Timestamp;
use parking_lot::{Condvar, Mutex};

use super::bridge::SandboxNetwork;
use super::closer::{Closer, Remains};
use super::compose::Composed;
use super::crew::{Asked, Crew, Job};
use super::exec::Session;
use super::kits::FirstKit;
use super::leftovers;
use super::link::Link;
use super::log;
use super::pool::Pool;
use super::reaper::Reaper;
use super::scratch::Again;
use super::scribe::Scribe;
use super::shell::Workshop;
use super::unit::{Owner, Unit};
use crate::cgroup::Cgroup;
use crate::proto::{Answer, Ended, Request, ToServer};

/// A sandbox that runs or ran.
pub(super) struct Sandbox {
    pub(super) id: SandboxId,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) lifetime: Lifetime,
    pub(super) warm: bool,
    pub(super) cgroup: Cgroup,
    pub(super) units: Mutex<BTreeMap<String, Arc<Unit>>>,
    /// Of a sandbox whose containers come from images.
    pub(super) composed: Option<Composed>,
    /// Requests to answer when it is gone; some means that it is being removed.
    pub(super) removal: Mutex<Option<Vec<u64>>>,
}

/// A place in the table of sandboxes.
pub(super) enum Slot {
    /// It is being made; with what is to be done when it is.
    Starting(Vec<Job>),
    There(Arc<Sandbox>),
}

/// Whether what shall be removed is there.
pub(super) enum Removal {
    Of(Arc<Sandbox>),
    /// When it has been made.
    Later,
}

/// What changes in the helper.
#[derive(Default)]
pub(super) struct State {
    pub(super) sandboxes: BTreeMap<SandboxId, Slot>,
    pub(super) pool: Pool,
    /// Programs run by `exec`.
    pub(super) sessions: BTreeMap<u64, Arc<Session>>,
    /// No server, nothing that shall outlive one: ends when all is taken down.
    pub(super) leaving: bool,
    /// No other server will find it, if only because its directory is gone: so nothing shall
    /// outlive the one that it has.
    abandoned: bool,
}

/// What names of control groups begin with; a number follows.
const NAMES: &str = "s";

/// The helper.
pub(super) struct Helper {
    pub(super) shop: Workshop,
    pub(super) state: Mutex<State>,
    pub(super) crew: Crew,
    /// The pools may lack something.
    pub(super) wanting: Condvar,
    pub(super) link: Link,
    pub(super) reaper: Reaper,
    pub(super) scribe: Scribe,
    /// A unit is gone.
    parted: (Mutex<()>, Condvar),
    closer: Closer,
    mailbox: Mutex<Option<mpsc::Receiver<Remains>>>,
    /// Units that are not yet taken down.
    units: AtomicUsize,
    names: AtomicU64,
    socket: PathBuf,
    /// Goes with it.
    ephemeral: Option<PathBuf>,
}

impl Helper {
    pub(super) fn new(
        shop: Workshop,
        socket: PathBuf,
        ephemeral: Option<PathBuf>,
    ) -> io::Result<Self> {
        let (closer, mailbox) = mpsc::channel();
        // what a former helper has left may still be there
        let number = |name: String| name.strip_prefix(NAMES)?.parse::<u64>().ok();
        let last = shop.cgroups.children().into_iter().filter_map(number).max();
        let names = last.map_or(0, |last| last.saturating_add(1));
        let state = State { abandoned: ephemeral.is_some(), ..State::default() };
        Ok(Self {
            shop,
            state: Mutex::new(state),
            crew: Crew::default(),
            wanting: Condvar::new(),
            link: Link::default(),
            reaper: Reaper::new()?,
            scribe: Scribe::new()?,
            parted: (Mutex::new(()), Condvar::new()),
            closer,
            mailbox: Mutex::new(Some(mailbox)),
            units: AtomicUsize::new(0),
            names: AtomicU64::new(names),
            socket,
            ephemeral,
        })
    }

    /// The closer's end of its mailbox, once.
    pub(super) fn take_mailbox(&self) -> Option<mpsc::Receiver<Remains>> {
        self.mailbox.lock().take()
    }

    /// A name for a control group that no other has.
    pub(super) fn mint_name(&self) -> String {
        format!("{NAMES}{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Counts a unit that is about to be.
    pub(super) fn one_more(&self) {
        self.units.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts a unit that is no more.
    pub(super) fn one_less(&self) {
        self.units.fetch_sub(1, Ordering::SeqCst);
    }

    /// Has a control group removed.
    pub(super) fn close_group(&self, group: Cgroup) {
        let _ = self.closer.send(Remains::Group(group));
    }

    /// Has what no container began with removed.
    pub(super) fn close_first(&self, first: Option<FirstKit>) {
        if let Some(first) = first {
            self.close_group(first.group);
        }
    }

    /// Has a directory removed, with all in it.
    pub(super) fn close_dir(&self, dir: PathBuf) {
        let _ = self.closer.send(Remains::Dir(dir));
    }

    /// Has a network's address freed, and the network used again where it can be.
    pub(super) fn close_network(&self, network: &SandboxNetwork) {
        if let Some(used) = network.used() {
            self.shop.networks.expect(&used);
            let _ = self.closer.send(Remains::Network(used));
        }
    }

    /// Waits until nothing of a unit that is ending runs any more.
    pub(super) fn await_gone(&self, unit: &Unit) {
        let mut parted = self.parted.0.lock();
        while !unit.life.lock().gone {
            self.parted.1.wait(&mut parted);
        }
    }

    /// Frees what a sandbox held that nothing runs in any more.
    pub(super) fn close_sandbox(&self, sandbox: &Sandbox) {
        if let Some(composed) = &sandbox.composed {
            self.close_network(&composed.network);
            for again in composed.take_layers() {
                let _ = self.closer.send(Remains::Layer(again));
            }
            composed.leavings().into_iter().for_each(|dir| self.close_dir(dir));
            if let Some(pair) = composed.pair.lock().take() {
                let _ = self.closer.send(Remains::Groups(Box::new(pair)));
                return;
            }
            self.close_first(composed.take_first());
        }
        self.close_group(sandbox.cgroup.clone());
    }

    /// Kills all of a sandbox, and thaws it: the frozen do not die, nor do they soon who wait for
    /// the processor. What cannot be written is a group that has gone.
    pub(super) fn kill(&self, id: &SandboxId) {
        let found = match self.state.lock().sandboxes.get(id) {
            Some(Slot::There(sandbox)) => sandbox.clone(),
            _ => return,
        };
        if let Some(composed) = &found.composed {
            composed.unborn.kill(); // whoever starts it would wait for what others leave it
        }
        let units: Vec<_> = found.units.lock().values().cloned().collect();
        let alive: Vec<_> = units.iter().filter(|unit| !unit.life.lock().gone).collect();
        for unit in &alive {
            unit.shell.kill();
            let _ = unit.cgroup.hurry();
            let _ = unit.cgroup.freeze(false);
        }
        if !alive.is_empty() || found.composed.is_none() {
            let _ = found.cgroup.hurry();
            let _ = found.cgroup.freeze(false);
        } else if found.composed.as_ref().is_some_and(Composed::is_starting) {
            let _ = found.cgroup.freeze(false); // else nobody would get so far as to be killed
        }
    }

    /// Kills a sandbox whose grace is over.
    pub(super) fn grace_over(&self, id: &SandboxId) {
        let removing = match self.state.lock().sandboxes.get(id) {
            Some(Slot::There(sandbox)) => sandbox.removal.lock().is_some(),
            _ => false,
        };
        if removing {
            self.kill(id);
        }
    }

    /// A sandbox that was made.
    pub(super) fn find(&self, id: &SandboxId) -> Option<Arc<Sandbox>> {
        match self.state.lock().sandboxes.get(id) {
            Some(Slot::There(sandbox)) => Some(sandbox.clone()),
            Some(Slot::Starting(_)) | None => None,
        }
    }

    /// Gives back what is to be done, if its sandbox is not being made; else it is done after that.
    pub(super) fn unless_starting(&self, id: Option<&SandboxId>, job: Job) -> Option<Job> {
        let Some(id) = id else { return Some(job) };
        match self.state.lock().sandboxes.get_mut(id) {
            Some(Slot::Starting(later)) => {
                later.push(job);
                None
            }
            Some(Slot::There(_)) | None => Some(job),
        }
    }

    /// Asks for an answer when the sandbox is gone; none when it is already.
    pub(super) fn await_removal(
        &self,
        id: &SandboxId,
        (asked, grace): (Asked, Duration),
    ) -> Option<Removal> {
        let mut state = self.state.lock();
        match state.sandboxes.get_mut(id)? {
            Slot::Starting(later) => {
                later.push(Job { asked, request: Request::Remove { id: id.clone(), grace } });
                Some(Removal::Later)
            }
            Slot::There(sandbox) => {
                sandbox.removal.lock().get_or_insert_default().push(asked.number);
                Some(Removal::Of(sandbox.clone()))
            }
        }
    }

    /// A program has ended: so does all that it left in its sandbox.
    pub(super) fn program_ended(
        &self,
        unit: &Arc<Unit>,
        owner: Option<Owner>,
        (exit, at): (Exit, Timestamp),
    ) {
        if let Some(Owner { id, container, attempt }) = owner {
            self.link.tell(&ToServer::Exited(Ended { id, container, attempt, exit, at }));
        }
        // with a first process all of its namespace has ended
        if !unit.is_sole() {
            unit.kill();
        }
    }

    /// A program run by `exec` has ended.
    pub(super) fn session_ended(&self, session: &Session, exit: Exit) {
        self.state.lock().sessions.remove(&session.number);
        self.link.tell(&ToServer::SessionEnded { session: session.number, exit });
    }

    /// Nothing of a unit runs any more.
    pub(super) fn unit_gone(&self, unit: &Arc<Unit>) {
        if let Some(mounts) = unit.shell.take_mounts() {
            let _ = self.closer.send(Remains::Mounts(mounts));
        }
        let owner = unit.life.lock().owner.clone();
        if let Some(own) = &unit.own {
            let again = own.again.lock().take();
            self.close_dir(own.layer.clone());
            self.close_layer(again, owner.as_ref());
            if !own.kept {
                self.close_group(unit.cgroup.clone());
            }
        }
        // only now may its sandbox go: what is to be used again is with that
        unit.life.lock().gone = true;
        drop(self.parted.0.lock());
        self.parted.1.notify_all();
        match owner {
            Some(owner) => self.finish_removal(&owner.id),
            None if unit.own.is_some() => {}
            None => {
                self.close_group(unit.cgroup.clone());
                if self.state.lock().pool.forget_unfit() {
                    self.wanting.notify_all();
                }
            }
        }
        self.close_unit();
    }

    /// Leaves a container's layer to its sandbox, where it is to be used again when that ends.
    fn close_layer(&self, again: Option<Again>, owner: Option<&Owner>) {
        let Some(again) = again else { return };
        let sandbox = owner.and_then(|owner| match self.state.lock().sandboxes.get(&owner.id) {
            Some(Slot::There(sandbox)) => Some(sandbox.clone()),
            _ => None,
        });
        let again = match sandbox.as_ref().and_then(|sandbox| sandbox.composed.as_ref()) {
            Some(composed) => composed.keep_layer(again),
            None => Some(again),
        };
        if let Some(mut again) = again {
            again.laid = None;
            let _ = self.closer.send(Remains::Layer(again));
        }
    }

    /// Nothing more of a unit will come: it counts no longer when the closer comes to it.
    pub(super) fn close_unit(&self) {
        let _ = self.closer.send(Remains::Unit);
    }

    /// Forgets a sandbox that is being removed when nothing of it runs any more, and answers
    /// those who wait for that.
    pub(super) fn finish_removal(&self, id: &SandboxId) {
        let mut state = self.state.lock();
        let Some(Slot::There(sandbox)) = state.sandboxes.get(id) else { return };
        let sandbox = sandbox.clone();
        let mut removal = sandbox.removal.lock();
        let Some(requests) = &mut *removal else { return };
        // whoever starts a container looks here when that is done
        if sandbox.composed.as_ref().is_some_and(Composed::is_starting) {
            return;
        }
        if sandbox.units.lock().values().any(|unit| !unit.life.lock().gone) {
            return;
        }
        // counted until all that it left is taken down
        self.one_more();
        state.sandboxes.remove(id);
        let requests = std::mem::take(requests);
        drop((removal, state));
        self.close_sandbox(&sandbox);
        for request in requests {
            self.link.answer(request, Ok(Answer::Done), &[]);
        }
        self.close_unit();
    }

    /// The server is gone: what shall not outlive it ends now.
    pub(super) fn server_gone(&self) {
        let (dying, pooled) = {
            let mut state = self.state.lock();
            let abandoned = state.abandoned;
            let dies = |one: &Sandbox| abandoned || one.lifetime == Lifetime::Server;
            let goes = |slot: &Slot| match slot {
                Slot::There(one) => dies(one) || one.removal.lock().is_some(),
                Slot::Starting(_) => false,
            };
            // unless the next server is there already
            state.leaving = state.sandboxes.values().all(goes) && self.link.is_down();
            let there = state.sandboxes.values().filter_map(|slot| match slot {
                Slot::There(one) => Some(one),
                Slot::Starting(_) => None,
            });
            let dying: Vec<_> = there.filter(|one| dies(one)).cloned().collect();
            (dying, state.pool.drain())
        };
        for unit in pooled {
            unit.shell.kill();
        }
        let sessions = std::mem::take(&mut self.state.lock().sessions);
        for session in sessions.values() {
            let _ = crate::sys::send_signal(session.child.pidfd.as_fd(), libc::SIGKILL);
        }
        dying.iter().for_each(|sandbox| self.end(sandbox));
        let _ = self.closer.send(Remains::Look);
    }

    /// Takes another server, which need not wait until all is taken down that the one before it has
    /// left; false where there is one. `None` where this helper leaves all the same: its directory
    /// goes with it, or its program has been replaced.
    pub(super) fn accept(&self, socket: OwnedFd) -> Option<bool> {
        let mut state = self.state.lock();
        if state.leaving && (state.abandoned || !is_current()) {
            return None; // closes: the new server starts a helper of its own
        }
        state.leaving = false;
        Some(self.link.connect(socket)) // under the lock: nobody leaves in between
    }

    /// It runs nothing that shall outlive its server.
    pub(super) fn keeps_nothing(&self) -> bool {
        self.state.lock().sandboxes.values().all(|slot| match slot {
            Slot::There(sandbox) => sandbox.lifetime == Lifetime::Server,
            Slot::Starting(_) => false,
        })
    }

    /// Ends a sandbox that nobody asks for any more.
    fn end(&self, sandbox: &Sandbox) {
        sandbox.removal.lock().get_or_insert_default();
        self.kill(&sandbox.id);
        self.finish_removal(&sandbox.id);
    }

    /// A start is over, of a sandbox or of nothing; `losses` were there when it was asked for. What
    /// was started meanwhile for a server that is gone ends with what that left.
    pub(super) fn start_over(&self, sandbox: Option<&Sandbox>, losses: u64) {
        if self.link.losses() == losses {
            return;
        }
        if self.link.is_down() {
            self.server_gone();
        } else if let Some(sandbox) = sandbox.filter(|own| own.lifetime == Lifetime::Server) {
            self.end(sandbox); // the next server does not know of it
        }
    }

    /// The helper's directory has been deleted. A server that it has may go on with it.
    pub(super) fn abandon(&self) {
        self.state.lock().abandoned = true;
        if self.link.is_down() {
            log("its directory was deleted: it ends, with all that runs");
            self.server_gone();
        }
    }

    /// Ends the process when it is leaving and all is taken down.
    pub(super) fn leave_if_done(&self) {
        let state = self.state.lock();
        if !state.leaving || self.units.load(Ordering::SeqCst) > 0 || !state.sandboxes.is_empty() {
            return;
        }
        self.shop.networks.tear_down();
        self.shop.kits.tear_down();
        self.shop.stages.clear();
        self.shop.cgroups.tear_down();
        let _ = std::fs::remove_file(&self.socket);
        if let Some(dir) = &self.ephemeral {
            leftovers::remove_dir(dir);
        }
        std::process::exit(0);
    }
}

/// The file that this program was started from is still there.
fn is_current() -> bool {
    let inode = |path: &Path| std::fs::metadata(path).map(|found| (found.dev(), found.ino()));
    let own = Path::new("/proc/self/exe");
    let now = std::fs::read_link(own).and_then(|path| inode(&path));
    matches!((now, inode(own)), (Ok(now), Ok(own)) if now == own)
}
