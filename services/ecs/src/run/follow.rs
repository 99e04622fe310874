//! What this process does for a task as long as it runs: reads its output, answers inside it.

#![allow(clippy::disallowed_methods)] // spawns a loop per log and socket; the task's end ends them

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use haar_ecs_contract::model::{ContainerDefinition, LogDriver};
use haar_kernel::serve_inside;
use haar_substrate::{Exit, SandboxId};
use haar_types::Timestamp;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::environment::API;
use super::logs::Shipper;
use super::metadata::Door;
use super::prepare::stream;
use crate::Ecs;
use crate::rules::awslogs::AwsLogs;
use crate::state::{DefinitionRow, TaskKey, TaskRow, TaskStatus, sandbox_name};

/// How long the rest of a stopped task's output may take to be shipped. *Ours*.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// One run of a container: its task, its name, its attempt.
type RunKey = (TaskKey, String, u32);

/// What ships a container's output: where it hears of new runs, and its loop.
type Shipping = (watch::Sender<u32>, JoinHandle<()>);

/// The loops of running tasks.
#[derive(Default)]
pub(crate) struct Runs {
    by_task: Mutex<BTreeMap<TaskKey, Run>>,
    /// Ends that were told before their starts were written down.
    early: Mutex<BTreeMap<RunKey, (Exit, Timestamp)>>,
    /// Tasks whose sandboxes have gone.
    lost: Mutex<BTreeSet<TaskKey>>,
}

impl Runs {
    /// Remembers an end whose start is not in the row yet.
    pub(crate) fn remember_end(&self, run: (&TaskKey, &str, u32), end: (Exit, Timestamp)) {
        let (key, container, attempt) = run;
        self.early.lock().insert((key.clone(), container.to_owned(), attempt), end);
    }

    /// Remembers that a task's sandbox has gone.
    pub(crate) fn remember_loss(&self, key: &TaskKey) {
        self.lost.lock().insert(key.clone());
    }

    /// Whether a task's sandbox has gone.
    pub(crate) fn is_lost(&self, key: &TaskKey) -> bool {
        self.lost.lock().contains(key)
    }

    /// Remembers a container's processor time as it was told; answers what was told before.
    pub(crate) fn remember_cpu(&self, (key, name): (&TaskKey, &str), now: Value) -> Option<Value> {
        self.by_task.lock().get_mut(key)?.cpu.insert(name.to_owned(), now)
    }

    /// An end that was told early.
    pub(crate) fn early_end(&self, run: (&TaskKey, &str, u32)) -> Option<(Exit, Timestamp)> {
        let (key, container, attempt) = run;
        self.early.lock().get(&(key.clone(), container.to_owned(), attempt)).copied()
    }
}

/// One task's loops.
struct Run {
    /// By container: tells of its runs, and the loop that ships their output.
    logs: BTreeMap<String, Shipping>,
    servers: Vec<JoinHandle<()>>,
    /// By container: its processor time as it was last told.
    cpu: BTreeMap<String, Value>,
    /// Another process may have shipped some output.
    is_adopted: bool,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.logs.values().for_each(|(_, ship)| ship.abort());
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

impl Ecs {
    /// Follows a task whose sandbox is there; again changes nothing.
    pub(crate) fn follow(self: &Arc<Self>, row: &TaskRow, definition: &DefinitionRow) {
        let mut runs = self.runs.by_task.lock();
        if !runs.contains_key(&row.key) {
            let servers = if self.task_doors.serves_inside { self.serve(row) } else { Vec::new() };
            let is_adopted = row.containers.iter().any(|one| one.started_at.is_some());
            runs.insert(
                row.key.clone(),
                Run { logs: BTreeMap::new(), servers, cpu: BTreeMap::new(), is_adopted },
            );
        }
        let run = runs.get_mut(&row.key).expect("it was just put there");
        for one in definition.definition.container_definitions.iter().flatten() {
            let Some(known) = one.name.as_deref().and_then(|name| row.container(name)) else {
                continue;
            };
            if known.started_at.is_none() {
                continue;
            }
            match run.logs.get(&known.name) {
                Some((attempts, _)) => drop(attempts.send_replace(known.attempt)),
                None => run.logs.extend(self.ship(row, one, run.is_adopted)),
            }
        }
    }

    fn ship(
        self: &Arc<Self>,
        row: &TaskRow,
        one: &ContainerDefinition,
        is_resumed: bool,
    ) -> Option<(String, Shipping)> {
        let name = one.name.clone()?;
        let logs = one.log_configuration.as_ref();
        let logs = logs.filter(|logs| logs.log_driver == LogDriver::Awslogs)?;
        let logs = AwsLogs::read(logs).ok()?;
        let stream = stream(row, one, &logs).ok()?;
        let shipper = Shipper::new(self, &row.key, (&name, logs), stream, is_resumed)?;
        let (attempts, seen) = watch::channel(0);
        Some((name, (attempts, tokio::spawn(shipper.run(seen)))))
    }

    /// Answers inside the task: metadata and credentials, and haar's API.
    fn serve(self: &Arc<Self>, row: &TaskRow) -> Vec<JoinHandle<()>> {
        let (room, key) = (Arc::clone(self), row.key.clone());
        let metadata = tokio::spawn(async move {
            let Some(listener) = room.listener(&key, room.metadata_at()).await else { return };
            let (clock, id) = (room.doors.clock.clone(), SandboxId(sandbox_name(&key)));
            serve_inside(Arc::new(Door::new(room, key)), clock, id, listener).await;
        });
        let (room, key) = (Arc::clone(self), row.key.clone());
        let api = tokio::spawn(async move {
            let Some(listener) = room.listener(&key, API).await else { return };
            let (door, clock) = (Arc::clone(&room.task_doors.api), room.doors.clock.clone());
            serve_inside(door, clock, SandboxId(sandbox_name(&key)), listener).await;
        });
        vec![metadata, api]
    }

    async fn listener(&self, key: &TaskKey, address: SocketAddrV4) -> Option<TcpListener> {
        let id = SandboxId(sandbox_name(key));
        let taken = self.doors.substrate.listener(&id, address).await;
        let opened = taken.map_err(|error| error.to_string()).and_then(|listener| {
            let ready =
                listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener));
            ready.map_err(|error| error.to_string())
        });
        match opened {
            Ok(listener) => Some(listener),
            Err(error) if self.is_ending(key) => {
                tracing::debug!(%error, task = %key.id, "a task ended before its sockets were taken");
                None
            }
            Err(error) => {
                tracing::warn!(%error, task = %key.id, %address, "no socket inside a task");
                None
            }
        }
    }

    fn is_ending(&self, key: &TaskKey) -> bool {
        let row = self.doors.ledger.snapshot().get::<TaskRow>(key);
        row.is_none_or(|row| row.must_stop || row.last_status >= TaskStatus::Stopping)
    }

    /// Waits until all output of a task that has ended is in its log.
    pub(crate) async fn drain(&self, row: &TaskRow) {
        let logs = match self.runs.by_task.lock().get_mut(&row.key) {
            Some(run) => std::mem::take(&mut run.logs),
            None => return,
        };
        for (name, (attempts, mut ship)) in logs {
            drop(attempts); // no more runs
            if self.doors.clock.timeout(DRAIN_MAX, &mut ship).await.is_err() {
                tracing::warn!(task = %row.key.id, %name, "the rest of a container's output is lost");
                ship.abort();
            }
        }
    }

    /// Ends what is done for a task.
    pub(crate) fn unfollow(&self, key: &TaskKey) {
        drop(self.runs.by_task.lock().remove(key));
        self.runs.early.lock().retain(|(task, _, _), _| task != key);
        self.runs.lost.lock().remove(key);
    }

    /// Follows all tasks that run already: after a restart.
    pub(crate) fn follow_all(self: &Arc<Self>) {
        let snapshot = self.doors.ledger.snapshot();
        for row in snapshot.by_index_prefix::<TaskRow>("alive", "") {
            let definition = snapshot.get::<DefinitionRow>(&row.definition);
            let is_there = row.is_made && row.last_status < TaskStatus::Deprovisioning;
            if let Some(definition) = definition.filter(|_| is_there) {
                self.follow(&row, &definition);
            }
        }
    }
}
