//! What must be there before a task's containers start, as Fargate sees to it.

use std::collections::BTreeMap;

use haar_ecs_contract::model::{ContainerDefinition, LogDriver};
use haar_substrate::ContainerSpec;

use super::environment::{self, Sources};
use super::spec;
use crate::Ecs;
use crate::doors::StreamName;
use crate::rules::awslogs::AwsLogs;
use crate::state::{DefinitionRow, TaskRow};

impl Ecs {
    /// Checks what containers want from the neighbourhood.
    ///
    /// # Errors
    /// In AWS's words, to be put behind `ResourceInitializationError: `.
    pub(crate) async fn prepare(
        &self,
        row: &TaskRow,
        definition: &DefinitionRow,
    ) -> Result<(), String> {
        for one in definition.definition.container_definitions.iter().flatten() {
            if one.firelens_configuration.is_some() {
                return Err("firelensConfiguration is not supported by haar".to_owned());
            }
            // read again when the container starts: here for the task to fail before it has begun
            self.files(row, definition, one).await?;
            self.secrets(row, definition, one).await?;
            self.prepare_log(row, definition, one).await?;
        }
        Ok(())
    }

    async fn prepare_log(
        &self,
        row: &TaskRow,
        definition: &DefinitionRow,
        one: &ContainerDefinition,
    ) -> Result<(), String> {
        let Some(configuration) = &one.log_configuration else { return Ok(()) };
        if configuration.log_driver != LogDriver::Awslogs {
            let driver = configuration.log_driver;
            return Err(format!("failed to validate logger args: haar has no log driver {driver}"));
        }
        let logs = AwsLogs::read(configuration)?;
        logs.begins()?; // of a definition that was kept from before its bounds
        let stream = stream(row, one, &logs)?;
        let role = execution_role(row, definition);
        self.task_doors.logs.ensure(&stream, logs.create_group, role).await.map_err(|reason| {
            format!(
                "failed to validate logger args: create stream has been retried 1 times: failed to \
                 create Cloudwatch log stream: {reason} : exit status 1"
            )
        })
    }

    /// One run of a container, with its secrets.
    ///
    /// # Errors
    /// In words, to be put behind `ResourceInitializationError: `.
    pub(crate) async fn container(
        &self,
        row: &TaskRow,
        definition: &DefinitionRow,
        name: &str,
        attempt: u32,
    ) -> Result<ContainerSpec, String> {
        let mut all = definition.definition.container_definitions.iter().flatten();
        let one = all.find(|one| one.name.as_deref() == Some(name));
        let (one, known) = one.zip(row.container(name)).ok_or("there is no such container")?;
        let files = self.files(row, definition, one).await?;
        let secrets = self.secrets(row, definition, one).await?;
        let has_role = role(row, definition).is_some();
        let sources = Sources { files, secrets, has_role, metadata: self.metadata_at() };
        let env = environment::of(row, known, one, sources);
        Ok(spec::container(&self.doors.settings, (row, definition, one), attempt, env))
    }

    /// The variables of a container's environment files. Of several values the first counts.
    async fn files(
        &self,
        row: &TaskRow,
        definition: &DefinitionRow,
        one: &ContainerDefinition,
    ) -> Result<BTreeMap<String, String>, String> {
        let cluster = &row.key.cluster;
        let role = execution_role(row, definition);
        let mut variables = BTreeMap::new();
        let name = one.name.as_deref().unwrap_or_default();
        let over = environment::overridden(row, name);
        let over = over.and_then(|over| over.environment_files.as_ref());
        for file in over.or(one.environment_files.as_ref()).into_iter().flatten() {
            let arn = &file.value;
            let read = self.task_doors.secrets.file(&cluster.account, &cluster.region, role, arn);
            let text = read.await.map_err(|reason| {
                format!(
                    "failed to download env files: file download command: non empty error stream: \
                     {reason}"
                )
            })?;
            for (name, value) in environment::variables(&text) {
                variables.entry(name).or_insert(value);
            }
        }
        Ok(variables)
    }

    async fn secrets(
        &self,
        row: &TaskRow,
        definition: &DefinitionRow,
        one: &ContainerDefinition,
    ) -> Result<BTreeMap<String, String>, String> {
        let cluster = &row.key.cluster;
        let role = execution_role(row, definition);
        let mut secrets = BTreeMap::new();
        for secret in one.secrets.iter().flatten() {
            let from = &secret.value_from;
            let read = self.task_doors.secrets.read(&cluster.account, &cluster.region, role, from);
            let value = read.await.map_err(|reason| {
                format!(
                    "unable to pull secrets or registry auth: execution resource retrieval failed: \
                     {}: service call has been retried 1 time(s): {reason}",
                    unable(from)
                )
            })?;
            secrets.insert(secret.name.clone(), value);
        }
        Ok(secrets)
    }
}

/// What could not be done, by where a value is from.
fn unable(value_from: &str) -> &'static str {
    match value_from.contains(":secretsmanager:") {
        true => "unable to retrieve secret from asm",
        false => "unable to retrieve secrets from ssm",
    }
}

/// The role that a task is prepared under: it reads secrets and makes log streams.
fn execution_role<'a>(row: &'a TaskRow, definition: &'a DefinitionRow) -> Option<&'a str> {
    let over = row.overrides.execution_role_arn.as_deref();
    over.or(definition.definition.execution_role_arn.as_deref())
}

/// The role that a task's programs act under.
pub(crate) fn role<'a>(row: &'a TaskRow, definition: &'a DefinitionRow) -> Option<&'a str> {
    let over = row.overrides.task_role_arn.as_deref();
    over.or(definition.definition.task_role_arn.as_deref())
}

/// The log stream of a container.
pub(super) fn stream(
    row: &TaskRow,
    one: &ContainerDefinition,
    logs: &AwsLogs,
) -> Result<StreamName, String> {
    let name = one.name.as_deref().unwrap_or_default();
    Ok(StreamName {
        account: row.key.cluster.account.clone(),
        region: logs.region.parse().map_err(|_| format!("{} is not a region", logs.region))?,
        group: logs.group.clone(),
        stream: logs.stream(name, &row.key.id),
    })
}
