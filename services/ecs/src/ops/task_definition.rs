//! Task definitions.

use haar_ecs_contract::model::{
    DeleteTaskDefinitions, DeleteTaskDefinitionsResponse, DeregisterTaskDefinition,
    DeregisterTaskDefinitionResponse, DescribeTaskDefinition, DescribeTaskDefinitionResponse,
    Failure, RegisterTaskDefinition, RegisterTaskDefinitionResponse, TaskDefinitionStatus,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use super::Input;
use crate::doors::may_pass_roles;
use crate::lookup::{find_definition, place};
use crate::refusal::{client, invalid};
use crate::rules::names::DefinitionName;
use crate::rules::{definition, tags};
use crate::state::{DefinitionKey, DefinitionRow, FamilyRow};
use crate::{Ecs, render};

/// Definitions that one call may delete.
const DELETE_MAX: usize = 10;

/// AWS docs: *Amazon ECS API Reference > RegisterTaskDefinition*.
impl Command<RegisterTaskDefinition> for Ecs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        mut input: Input<RegisterTaskDefinition>,
    ) -> Answer<RegisterTaskDefinition> {
        let tags = tags::read(input.tags.take())?;
        let definition = definition::normalise(input)?;
        may_pass_roles(&self.doors, call, tx, &definition)?;
        let family = definition.family.clone().unwrap_or_default();
        let row = DefinitionRow {
            key: next_revision(call, tx, &family),
            definition,
            status: TaskDefinitionStatus::Active,
            registered_at: call.now,
            registered_by: call.principal.arn(),
            deregistered_at: None,
            delete_requested_at: None,
            tags,
        };
        let shown_tags = (!row.tags.is_empty()).then(|| tags::show(&row.tags));
        let shown = render::definition(&row);
        tx.put(row);
        Ok(RegisterTaskDefinitionResponse { task_definition: Some(shown), tags: shown_tags })
    }
}

fn next_revision(call: &Call, tx: &mut Tx, family: &str) -> DefinitionKey {
    let key = (call.account.clone(), call.region.clone(), family.to_owned());
    let last = tx.get::<FamilyRow>(&key).map_or(0, |row| row.last_revision);
    tx.put(FamilyRow { key, last_revision: last + 1 });
    DefinitionKey::new(&call.account, &call.region, family, last + 1)
}

/// AWS docs: *Amazon ECS API Reference > DescribeTaskDefinition*.
impl Query<DescribeTaskDefinition> for Ecs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<DescribeTaskDefinition>,
    ) -> Answer<DescribeTaskDefinition> {
        let row = find_definition(snapshot, call, &input.task_definition)?;
        let wants_tags = input.include.is_some_and(|fields| !fields.is_empty());
        Ok(DescribeTaskDefinitionResponse {
            task_definition: Some(render::definition(&row)),
            tags: Some(if wants_tags { tags::show(&row.tags) } else { Vec::new() }),
        })
    }
}

/// AWS docs: *Amazon ECS API Reference > DeregisterTaskDefinition*.
impl Command<DeregisterTaskDefinition> for Ecs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<DeregisterTaskDefinition>,
    ) -> Answer<DeregisterTaskDefinition> {
        let name = DefinitionName::parse(place(call), &input.task_definition)?;
        if name.revision.is_none() {
            return Err(invalid("Invalid revision number. Number: "));
        }
        let mut row = DefinitionRow::clone(&*find_definition(tx, call, &input.task_definition)?);
        match row.status {
            TaskDefinitionStatus::Active => {
                row.status = TaskDefinitionStatus::Inactive;
                row.deregistered_at = Some(call.now);
            }
            TaskDefinitionStatus::Inactive => {}
            TaskDefinitionStatus::DeleteInProgress => {
                return Err(client("The task definition is being deleted."));
            }
        }
        let shown = render::definition(&row);
        tx.put(row);
        Ok(DeregisterTaskDefinitionResponse { task_definition: Some(shown) })
    }
}

/// AWS docs: *Amazon ECS API Reference > DeleteTaskDefinitions*. A definition that tasks or
/// services still use stays until they do not.
impl Command<DeleteTaskDefinitions> for Ecs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<DeleteTaskDefinitions>,
    ) -> Answer<DeleteTaskDefinitions> {
        if !(1..=DELETE_MAX).contains(&input.task_definitions.len()) {
            return Err(invalid("You must specify between 1 and 10 task definitions to delete."));
        }
        let (mut deleted, mut failures) = (Vec::new(), Vec::new());
        for named in &input.task_definitions {
            match ask_to_delete(call, tx, named) {
                Ok(row) => {
                    deleted.push(render::definition(&row));
                    tx.put(row);
                }
                Err(error) => failures.push(Failure {
                    arn: Some(named.clone()),
                    reason: Some(error.message().to_owned()),
                    detail: None,
                }),
            }
        }
        Ok(DeleteTaskDefinitionsResponse {
            task_definitions: Some(deleted),
            failures: Some(failures),
        })
    }
}

fn ask_to_delete(call: &Call, tx: &Tx, named: &str) -> Result<DefinitionRow, AwsError> {
    let name = DefinitionName::parse(place(call), named)?;
    if name.revision.is_none() {
        return Err(invalid("A revision must be specified."));
    }
    let mut row = DefinitionRow::clone(&*find_definition(tx, call, named)?);
    if row.status == TaskDefinitionStatus::Active {
        return Err(client("The task definition must be deregistered before it can be deleted."));
    }
    row.status = TaskDefinitionStatus::DeleteInProgress;
    row.delete_requested_at.get_or_insert(call.now);
    Ok(row)
}
