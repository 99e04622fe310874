//! ECS Exec: a command in a container that runs.

use std::sync::Arc;

use haar_ecs_contract::model::{
    ExecuteCommand, ExecuteCommandResponse, Session, TargetNotConnectedException,
};
use haar_kernel::{Answer, Call, Flow};
use haar_wire::AwsError;

use super::Input;
use crate::Ecs;
use crate::exec::{DataChannels, Offer, TranscriptTo};
use crate::lookup::{find_cluster, find_task};
use crate::refusal::invalid;
use crate::render::runtime_id;
use crate::run::task_role;
use crate::state::{DefinitionRow, TaskContainer, TaskRow, TaskStatus};

/// AWS docs: *Amazon ECS API Reference > ExecuteCommand*. The command begins when somebody opens
/// the session's channel.
impl Flow<ExecuteCommand> for Ecs {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: Input<ExecuteCommand>,
    ) -> Answer<ExecuteCommand> {
        let snapshot = self.doors.ledger.snapshot();
        let cluster = find_cluster(&snapshot, &call, input.cluster.as_deref())?;
        if !input.interactive {
            return Err(invalid("Interactive is the only mode supported currently."));
        }
        let row = find_task(&snapshot, &cluster.key, &input.task)?;
        let argv = shlex::split(&input.command).filter(|words| !words.is_empty());
        let argv = argv.ok_or_else(|| invalid("The command cannot be split into words."))?;
        let container = choose(&row, input.container.as_deref())?;
        check(&row, container)?;
        let definition = snapshot.get::<DefinitionRow>(&row.definition);
        let definitions = definition.as_ref().map(|one| &one.definition.container_definitions);
        let mut definitions = definitions.into_iter().flatten().flatten();
        let named = definitions.find(|one| one.name.as_ref() == Some(&container.name));
        let role = definition.as_ref().and_then(|definition| task_role(&row, definition));
        let runtime = runtime_id(&row, container);
        let offer = Offer {
            task: row.key.clone(),
            container: container.name.clone(),
            target: format!("ecs:{}_{}_{runtime}", cluster.key.name, row.key.id),
            argv,
            transcript: TranscriptTo::of(&cluster, named, role.map(str::to_owned)),
        };
        let (id, token) = self.sessions.offer(&self.doors.clock, &call.ids, offer);
        Ok(ExecuteCommandResponse {
            cluster_arn: Some(cluster.key.arn()),
            container_arn: Some(row.key.container_arn(&container.id)),
            container_name: Some(container.name.clone()),
            interactive: Some(true),
            session: Some(Session {
                stream_url: Some(DataChannels::url(&call.endpoint, &id)),
                session_id: Some(id),
                token_value: Some(token),
            }),
            task_arn: Some(row.key.arn()),
        })
    }
}

/// The container that is named, or the only one.
fn choose<'a>(row: &'a TaskRow, named: Option<&str>) -> Result<&'a TaskContainer, AwsError> {
    match (named.filter(|name| !name.is_empty()), &row.containers[..]) {
        (Some(name), _) => row.container(name).ok_or_else(|| {
            invalid(format!("The container {name} is not in the task {}.", row.key.id))
        }),
        (None, [only]) => Ok(only),
        (None, _) => Err(invalid(
            "The container name must be specified for a task that has multiple containers.",
        )),
    }
}

fn check(row: &TaskRow, container: &TaskContainer) -> Result<(), AwsError> {
    if !row.enable_execute_command || row.last_status != TaskStatus::Running {
        return Err(invalid(
            "The execute command failed because execute command was not enabled when the task was \
             run or the execute command agent isn\u{2019}t running. Wait and try again or run a \
             new task with execute command enabled and try again.",
        ));
    }
    if container.last_status != TaskStatus::Running {
        let text = "The execute command failed due to an internal error. Try again later.";
        return Err(TargetNotConnectedException::message(text).into());
    }
    Ok(())
}
