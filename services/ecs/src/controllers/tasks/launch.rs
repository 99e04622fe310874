//! A task's images pulled, its secrets read, its sandbox made.

use std::collections::BTreeMap;
use std::time::Duration;

use haar_controller::{ActCx, ActError};
use haar_ecs_contract::model::{ContainerDefinition, TaskStopCode};
use haar_substrate::{Capabilities, SubstrateError};
use haar_types::Timestamp;

use super::{Tasks, pin};
use crate::doors::{ImageRequest, PullError, PullStage, ReadyImage};
use crate::run::spec;
use crate::state::{DefinitionRow, TaskKey, TaskRow};

/// How long a registry that does not answer is asked again. *Ours*.
const PULL_MAX: Duration = Duration::from_secs(180);

/// How often a pull looks whether its task is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(500);

impl Tasks {
    /// Attaches, pulls, reads, makes; then starts what waits for nothing. What is made is on the
    /// host before it is in the row: a process that finds the row without it makes it again,
    /// which finds what is there.
    pub(super) async fn launch(&self, cx: &ActCx, key: &TaskKey) -> Result<(), ActError> {
        let attached = self.attach(cx, key)?;
        let Some(begun) = attached.value().clone() else {
            attached.durable().await?;
            return Ok(());
        };
        let snapshot = cx.ledger.snapshot();
        let Some(definition) = snapshot.get::<DefinitionRow>(&begun.definition) else {
            return Err(ActError::lasting("the task's definition is not there"));
        };
        if let Some(reason) = why_nothing_runs(&self.room.doors.substrate.capabilities()) {
            attached.durable().await?;
            return self.cannot_begin(cx, key, &reason).await;
        }
        // its address is on disk before anything has it; the log stream's commit goes with it
        let (gathered, kept) =
            futures_util::join!(self.gather(cx, &begun, &definition), attached.durable());
        kept?;
        let pulled = match gathered {
            Ok(pulled) => pulled,
            Err(Unready::Unwanted) => return Ok(()),
            Err(Unready::Pull(failure)) => return self.pull_failed(cx, &begun, failure).await,
            Err(Unready::Other(reason)) => return self.cannot_begin(cx, key, &reason).await,
        };
        let filter = self.room.filter(&cx.ledger.snapshot(), &begun);
        if let Some(filter) = &filter {
            self.room.filters.begins(key, filter);
        }
        let network = (filter, self.room.metadata_at());
        let sandbox = spec::sandbox(&self.room.doors.settings, &begun, &definition, network);
        // what it runs is on disk before it runs; its sandbox need not wait for that
        let (pinned, ensured) = futures_util::join!(
            self.pin(cx, (&begun, &definition), &pulled),
            self.room.doors.substrate.ensure(sandbox),
        );
        pinned?;
        match ensured {
            Ok(_) => {}
            Err(error) if error.is_transient() => return Err(ActError::transient(error)),
            Err(error) => return self.cannot_begin(cx, key, &error.to_string()).await,
        }
        let now = cx.clock.now();
        let is_made = |row: &mut TaskRow| made(row, &pulled, now);
        let mut row = begun;
        is_made(&mut row);
        self.room.follow(&row, &definition);
        let ready = definition.definition.container_definitions.iter().flatten();
        let ready = ready.filter(|one| one.depends_on.iter().flatten().next().is_none());
        let names: Vec<String> = ready.filter_map(|one| one.name.clone()).collect();
        self.start_all(cx, (&row, &definition), &names, is_made).await
    }

    async fn cannot_begin(&self, cx: &ActCx, key: &TaskKey, reason: &str) -> Result<(), ActError> {
        let reason = format!("ResourceInitializationError: {reason}");
        self.give_up(cx, key, TaskStopCode::TaskFailedToStart, &reason).await
    }

    /// What must be there before a task's sandbox: its images, its secrets, its log streams.
    async fn gather(
        &self,
        cx: &ActCx,
        row: &TaskRow,
        definition: &DefinitionRow,
    ) -> Result<BTreeMap<String, ReadyImage>, Unready> {
        let pulled = tokio::select! {
            biased; // chance comes in through IdSource
            pulled = cx.aside(self.pull_all(row, definition)) => pulled.map_err(Unready::Pull)?,
            () = until_stopped(cx, &row.key) => {
                self.forget_pulls(&row.key);
                return Err(Unready::Unwanted);
            }
        };
        self.forget_pulls(&row.key);
        self.room.prepare(row, definition).await.map_err(Unready::Other)?;
        Ok(pulled)
    }

    async fn pull_all(
        &self,
        row: &TaskRow,
        definition: &DefinitionRow,
    ) -> Result<BTreeMap<String, ReadyImage>, PullError> {
        let containers = definition.definition.container_definitions.iter().flatten();
        let pins = &pin::pins(&self.room.doors.ledger.snapshot(), row);
        let pulls = containers.map(|one| async move {
            let mut asked = request(row, definition, one);
            asked.image =
                pin::pinned(&asked.image, one.name.as_ref().and_then(|name| pins.get(name)));
            let image = self.room.task_doors.images.pull(&asked).await?;
            Ok::<_, PullError>((one.name.clone().unwrap_or_default(), image))
        });
        let all = futures_util::future::try_join_all(pulls).await?;
        Ok(all.into_iter().collect())
    }

    /// A registry that does not answer is asked again for a while; what it refuses is final.
    async fn pull_failed(
        &self,
        cx: &ActCx,
        row: &TaskRow,
        failure: PullError,
    ) -> Result<(), ActError> {
        let begun = row.times.pull_started_at.unwrap_or(row.created_at);
        let limit = self.room.doors.settings.wait(PULL_MAX);
        let count = self.count_pull(&row.key);
        let begun = cx.clock.to_machine(begun); // a registry takes its real time
        if failure.is_transient && cx.clock.machine().now() < begun + limit {
            return Err(ActError::transient(failure));
        }
        self.forget_pulls(&row.key);
        let reason = pull_failure(&failure, count);
        self.change(cx, &row.key, |row, _| {
            for container in &mut row.containers {
                container.reason.get_or_insert_with(|| reason.clone());
            }
            row.ask_to_stop(TaskStopCode::TaskFailedToStart, reason);
        })
        .await
        .map(drop)
    }
}

/// Why there is no sandbox to be made.
enum Unready {
    /// Somebody wants the task to stop.
    Unwanted,
    Pull(PullError),
    /// In AWS's words.
    Other(String),
}

/// Its sandbox is there.
fn made(row: &mut TaskRow, pulled: &BTreeMap<String, ReadyImage>, now: Timestamp) {
    row.times.pull_stopped_at.get_or_insert(now);
    row.is_made = true;
    for container in &mut row.containers {
        let image = pulled.get(&container.name);
        container.image_digest = image.map(|image| image.digest.clone());
        container.image_id = image.map(|image| image.id.0.clone());
    }
}

impl Tasks {
    /// One more attempt that gave nothing.
    fn count_pull(&self, key: &TaskKey) -> u32 {
        let mut pulls = self.pulls.lock();
        let count = pulls.entry(key.clone()).or_default();
        *count += 1;
        *count
    }

    fn forget_pulls(&self, key: &TaskKey) {
        self.pulls.lock().remove(key);
    }
}

/// Ends when somebody wants the task to stop: a registry may take its time.
async fn until_stopped(cx: &ActCx, key: &TaskKey) {
    let must_stop = || cx.ledger.snapshot().get::<TaskRow>(key).is_none_or(|row| row.must_stop);
    while !must_stop() {
        cx.clock.sleep(LOOK_EVERY).await;
    }
}

/// Why a task has no image. *Developer Guide > CannotPullContainer task errors*.
fn pull_failure(failure: &PullError, count: u32) -> String {
    let PullError { stage, reason, .. } = failure;
    match stage {
        PullStage::Login => format!(
            "ResourceInitializationError: unable to pull secrets or registry auth: execution \
             resource retrieval failed: unable to retrieve secret from asm: service call has been \
             retried {count} time(s): {reason}"
        ),
        PullStage::Manifest => format!(
            "CannotPullContainerError: pull image manifest has been retried {count} time(s): \
             {reason}"
        ),
        PullStage::Layers => {
            format!("CannotPullContainerError: ref pull has been retried {count} time(s): {reason}")
        }
    }
}

/// What this host lacks to run any task, told before images are pulled for it in vain.
fn why_nothing_runs(host: &Capabilities) -> Option<String> {
    let missing = host.findings.iter().find(|finding| !finding.present && !host.usable);
    missing.map(|finding| finding.note.clone())
}

fn request(
    row: &TaskRow,
    definition: &DefinitionRow,
    container: &ContainerDefinition,
) -> ImageRequest {
    let role = row.overrides.execution_role_arn.as_ref();
    let credentials = container.repository_credentials.as_ref();
    ImageRequest {
        account: row.key.cluster.account.clone(),
        region: row.key.cluster.region.clone(),
        image: container.image.clone().unwrap_or_default(),
        execution_role: role.or(definition.definition.execution_role_arn.as_ref()).cloned(),
        credentials_parameter: credentials.map(|one| one.credentials_parameter.clone()),
    }
}

/// Why a container could not start, in AWS's words; `None`: ask again later.
pub(super) fn start_failure(error: &SubstrateError) -> Option<String> {
    if error.is_transient() {
        return None;
    }
    Some(format!("CannotStartContainerError: {error}"))
}
