//! What the server knows of its sandboxes: what the helper told, and the ends it told since.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use haar_substrate::{
    ContainerState, ContainerStatus, Event, Exit, SandboxId, SandboxStatus, Stdio,
};
use haar_types::Timestamp;
use tokio::sync::{broadcast, watch};

use super::gate::Gate;
use crate::cgroup::Gauge;
use crate::proto::{Carriage, Carried, Described, Ended, Written};

/// Events that a slow watcher may fall behind.
const EVENTS_MAX: usize = 4_096;

/// All sandboxes that this server made or adopted.
pub(super) struct Known {
    pub(super) sandboxes: BTreeMap<SandboxId, Entry>,
    pub(super) events: broadcast::Sender<Event>,
    /// The directory of kept output in memory of the helper that runs.
    pub(super) heads: Option<Arc<OwnedFd>>,
    /// Programs run by `exec`.
    sessions: BTreeMap<u64, watch::Sender<Option<Exit>>>,
    /// Being made or added to; with ends that were heard before the answer.
    expected: BTreeSet<SandboxId>,
    early: BTreeMap<(SandboxId, String, u32), (Exit, Timestamp)>,
    /// What such containers have written meanwhile: a short one is done before the answer.
    early_written: Vec<Written>,
}

/// One sandbox.
pub(super) struct Entry {
    /// As the helper told it last; later ends are noted in `runs`.
    told: SandboxStatus,
    /// It died with its helper: the next of this name is another.
    lost: bool,
    pub(super) cgroup: String,
    /// Of containers with control groups of their own.
    pub(super) groups: BTreeMap<String, String>,
    pub(super) hostname: String,
    /// The host's side of its interface, and what went over that for others.
    pub(super) interface: Option<(String, Carriage)>,
    pub(super) runs: BTreeMap<String, Run>,
    pub(super) listeners: BTreeMap<SocketAddrV4, TcpListener>,
    pub(super) outputs: BTreeMap<String, [OwnedFd; 2]>,
    /// Who may do what to its control groups.
    pub(super) gate: Arc<Gate>,
    /// Opened when it is first asked for.
    pub(super) memory_peak: Option<Arc<Gauge>>,
    /// The directory of kept output in memory of the helper that made it, which may be gone.
    pub(super) heads: Option<Arc<OwnedFd>>,
}

/// One run of a container.
pub(super) struct Run {
    attempt: u32,
    pub(super) end: watch::Sender<Option<(Exit, Timestamp)>>,
    /// How much of its kept output there is; grows over all runs.
    pub(super) written: watch::Sender<Length>,
}

/// A length of kept output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Length {
    run: u64,
    pub(super) end: u64,
    /// There may be more.
    pub(super) open: bool,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            sandboxes: BTreeMap::new(),
            events: broadcast::Sender::new(EVENTS_MAX),
            heads: None,
            sessions: BTreeMap::new(),
            expected: BTreeSet::new(),
            early: BTreeMap::new(),
            early_written: Vec::new(),
        }
    }
}

impl Entry {
    pub(super) fn status(&self) -> SandboxStatus {
        let mut status = self.told.clone();
        for (name, container) in &mut status.containers {
            let end = self.runs.get(name).and_then(|run| *run.end.borrow());
            if let Some((exit, at)) = end {
                container.state = ContainerState::Exited(exit);
                container.ended_at = Some(at);
            }
        }
        status
    }

    fn hear_written(&self, written: &Written) {
        let Some(run) = self.runs.get(&written.container) else { return };
        let Written { run: number, end, open, .. } = *written;
        let length = Length { run: number, end, open };
        run.written.send_if_modified(|known| {
            // messages may overtake each other: the longer is the later, and closed is closed
            let order = |length: &Length| (length.run, length.end, !length.open);
            let news = order(&length) > order(known);
            if news {
                *known = length;
            }
            news
        });
    }

    /// Notes a container as the helper tells it.
    fn learn(&mut self, name: &str, container: &ContainerStatus, early: Option<(Exit, Timestamp)>) {
        let attempt = container.attempt;
        if self.runs.get(name).is_none_or(|run| run.attempt < attempt) {
            // its output goes on where it was
            let before = self.runs.remove(name);
            let written =
                before.map_or_else(|| watch::Sender::new(Length::default()), |run| run.written);
            let run = Run { attempt, end: watch::Sender::new(None), written };
            self.runs.insert(name.to_owned(), run);
        }
        let told = container.state.exit().zip(container.ended_at);
        if let (Some(end), Some(run)) = (early.or(told), self.runs.get(name)) {
            run.end.send_if_modified(|known| known.replace(known.unwrap_or(end)).is_none());
        }
    }
}

impl Known {
    /// Says that this sandbox is being made or added to.
    pub(super) fn expect(&mut self, id: &SandboxId) {
        self.expected.insert(id.clone());
    }

    /// It is there, as far as is known.
    pub(super) fn has(&self, id: &SandboxId) -> bool {
        self.sandboxes.get(id).is_some_and(|entry| !entry.lost)
    }

    /// Notes what the helper tells of a sandbox.
    pub(super) fn learn(&mut self, described: Described, fds: Vec<OwnedFd>) {
        let Described { status, cgroup, carried, groups, written, hostname, interface, .. } =
            described;
        let id = status.id.clone();
        self.expected.remove(&id);
        if self.sandboxes.get(&id).is_some_and(|entry| entry.lost) {
            self.sandboxes.remove(&id);
        }
        let entry = self.sandboxes.entry(id.clone()).or_insert_with(|| Entry {
            told: status.clone(),
            lost: false,
            cgroup,
            groups: BTreeMap::new(),
            hostname,
            interface,
            runs: BTreeMap::new(),
            listeners: BTreeMap::new(),
            outputs: BTreeMap::new(),
            gate: Arc::default(),
            memory_peak: None,
            heads: self.heads.clone(),
        });
        for (name, container) in &status.containers {
            let early = self.early.remove(&(id.clone(), name.clone(), container.attempt));
            entry.learn(name, container, early);
        }
        entry.told = status;
        entry.groups = groups;
        let (early, later) =
            std::mem::take(&mut self.early_written).into_iter().partition(|early| early.id == id);
        self.early_written = later;
        for written in written.iter().chain::<&Vec<Written>>(&early) {
            entry.hear_written(written);
        }
        let mut pairs: BTreeMap<String, Vec<(Stdio, OwnedFd)>> = BTreeMap::new();
        for (kind, fd) in carried.into_iter().zip(fds) {
            match kind {
                Carried::Listener(address) => {
                    entry.listeners.insert(address, TcpListener::from(fd));
                }
                Carried::Output { container, stream } => {
                    pairs.entry(container).or_default().push((stream, fd));
                }
            }
        }
        for (container, pair) in pairs {
            if let Ok([(Stdio::Out, out), (Stdio::Err, err)]) = <[_; 2]>::try_from(pair) {
                entry.outputs.insert(container, [out, err]);
            }
        }
    }

    /// Notes an end.
    pub(super) fn hear_end(&mut self, ended: Ended) {
        let Ended { id, container, attempt, exit, at } = ended;
        let run = self.sandboxes.get(&id).and_then(|entry| entry.runs.get(&container));
        match run {
            Some(run) if run.attempt == attempt => {
                run.end.send_if_modified(|end| end.replace(end.unwrap_or((exit, at))).is_none());
            }
            _ if self.expected.contains(&id) => {
                self.early.insert((id.clone(), container.clone(), attempt), (exit, at));
            }
            _ => {}
        }
        // nobody may be watching
        let _ = self.events.send(Event::Exited { id, container, attempt, exit, at });
    }

    /// Notes how much a container has written.
    pub(super) fn hear_written(&mut self, written: Written) {
        let entry = self.sandboxes.get(&written.id);
        match entry.filter(|entry| entry.runs.contains_key(&written.container)) {
            Some(entry) => entry.hear_written(&written),
            None if self.expected.contains(&written.id) => self.early_written.push(written),
            None => {}
        }
    }

    /// Says that a program is being run; its end will be told there.
    pub(super) fn expect_session(&mut self, number: u64) -> watch::Receiver<Option<Exit>> {
        self.sessions.entry(number).or_insert_with(|| watch::Sender::new(None)).subscribe()
    }

    /// Notes the end of a program, or that it could not be run.
    pub(super) fn session_ended(&mut self, number: u64, exit: Exit) {
        if let Some(end) = self.sessions.remove(&number) {
            end.send_replace(Some(exit));
        }
    }

    /// The helper died, and all that ran with it.
    pub(super) fn all_ended(&mut self, at: Timestamp) {
        let killed = Exit { code: None, signal: Some(libc::SIGKILL), out_of_memory: false };
        for (id, entry) in &mut self.sandboxes {
            entry.lost = true;
            for run in entry.runs.values() {
                run.end.send_if_modified(|end| end.replace(end.unwrap_or((killed, at))).is_none());
                // nobody writes down any more what it says
                run.written.send_if_modified(|length| std::mem::take(&mut length.open));
            }
            // nobody may be watching
            let _ = self.events.send(Event::Lost(id.clone()));
        }
        self.sessions.clear();
        self.expected.clear();
        self.early.clear();
        self.early_written.clear();
    }
}
