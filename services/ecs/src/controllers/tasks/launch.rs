//! A task's images pulled, its secrets read, its sandbox made.

use std::collections::BTreeMap;
use std::time::Duration;

use haar_controller::{ActCx, ActError};
use haar_ecs_contract::model::{ContainerDefinition, TaskStopCode};
use haar_substrate::SubstrateError;

use super::Tasks;
use crate::doors::{ImageRequest, PullError, ReadyImage};
use crate::run::spec;
use crate::state::{DefinitionRow, TaskKey, TaskRow};

/// How long a registry that does not answer is asked again. *Ours*.
const PULL_MAX: Duration = Duration::from_secs(180);

impl Tasks {
    /// Pulls, reads, makes; then starts what waits for nothing.
    pub(super) async fn launch(&self, cx: &ActCx, key: &TaskKey) -> Result<(), ActError> {
        let Some(begun) = Self::change(cx, key, |row, now| {
            row.times.pull_started_at.get_or_insert(now);
        })
        .await?
        else {
            return Ok(());
        };
        if begun.must_stop || begun.is_made {
            return Ok(());
        }
        let snapshot = cx.ledger.snapshot();
        let Some(definition) = snapshot.get::<DefinitionRow>(&begun.definition) else {
            return Err(ActError::lasting("the task's definition is not there"));
        };
        let pulled = match self.pull_all(&begun, &definition).await {
            Ok(pulled) => pulled,
            Err(failure) => return self.pull_failed(cx, &begun, failure).await,
        };
        if let Err(reason) = self.room.prepare(&begun, &definition).await {
            let reason = format!("ResourceInitializationError: {reason}");
            return Self::give_up(cx, key, TaskStopCode::TaskFailedToStart, &reason).await;
        }
        let network = (self.room.filter(&snapshot, &begun), self.room.metadata_at());
        let sandbox = spec::sandbox(&self.room.doors.settings, &begun, &definition, network);
        match self.room.doors.substrate.ensure(sandbox).await {
            Ok(_) => {}
            Err(error) if error.is_transient() => return Err(ActError::transient(error)),
            Err(error) => {
                let reason = format!("ResourceInitializationError: {error}");
                return Self::give_up(cx, key, TaskStopCode::TaskFailedToStart, &reason).await;
            }
        }
        let made = Self::change(cx, key, |row, now| {
            row.times.pull_stopped_at.get_or_insert(now);
            row.is_made = true;
            for container in &mut row.containers {
                let image = pulled.get(&container.name);
                container.image_digest = image.map(|image| image.digest.clone());
                container.image_id = image.map(|image| image.id.0.clone());
            }
        });
        let Some(made) = made.await? else { return Ok(()) };
        self.room.follow(&made, &definition);
        let ready = definition.definition.container_definitions.iter().flatten();
        let ready = ready.filter(|one| one.depends_on.iter().flatten().next().is_none());
        let names: Vec<String> = ready.filter_map(|one| one.name.clone()).collect();
        self.start(cx, key, &names).await
    }

    async fn pull_all(
        &self,
        row: &TaskRow,
        definition: &DefinitionRow,
    ) -> Result<BTreeMap<String, ReadyImage>, PullError> {
        let containers = definition.definition.container_definitions.iter().flatten();
        let pulls = containers.map(|one| async move {
            let image = self.room.task_doors.images.pull(&request(row, definition, one)).await?;
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
        if failure.is_transient && cx.clock.now() < begun + PULL_MAX {
            return Err(ActError::transient(failure));
        }
        let reason = format!("CannotPullContainerError: {}", failure.reason);
        Self::change(cx, &row.key, |row, _| {
            for container in &mut row.containers {
                container.reason.get_or_insert_with(|| reason.clone());
            }
            row.ask_to_stop(TaskStopCode::TaskFailedToStart, reason);
        })
        .await
        .map(drop)
    }
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
