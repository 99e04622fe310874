//! Pipes: created, shown, listed, deleted.

use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_pipes_contract::model::{
    CreatePipe, CreatePipeRequest, CreatePipeResponse, DeletePipe, DeletePipeRequest,
    DeletePipeResponse, DescribePipe, DescribePipeRequest, DescribePipeResponse, ListPipes,
    ListPipesRequest, ListPipesResponse, PipeState, RequestedPipeState,
    RequestedPipeStateDescribeResponse as Desired,
};

use super::check::logging;
use super::listing;
use super::tags::added;
use crate::Pipes;
use crate::lookup::{find_pipe, pipes};
use crate::refusal::{exists, in_transition, too_many};
use crate::render;
use crate::state::{PipeKey, PipeRow};

/// Pipes of an account in a region. *EventBridge Pipes quotas*.
const PIPES_MAX: usize = 1000;

/// AWS docs: *EventBridge Pipes API Reference > CreatePipe*.
impl Command<CreatePipe> for Pipes {
    fn command(&self, call: &Call, tx: &mut Tx, input: CreatePipeRequest) -> Answer<CreatePipe> {
        let key = PipeKey::own(call, &input.name);
        if tx.contains::<PipeRow>(&key) {
            return Err(exists(&input.name));
        }
        if pipes(tx, call).count() >= PIPES_MAX {
            return Err(too_many(&input.name));
        }
        let mut row = PipeRow {
            key,
            id: call.ids.uuid(),
            description: input.description,
            desired: super::run::desired(
                input.desired_state.unwrap_or(RequestedPipeState::Running),
            ),
            current: PipeState::Creating,
            before: None,
            goes_on: false,
            reason: None,
            source: input.source,
            source_parameters: input.source_parameters.unwrap_or_default(),
            enrichment: input.enrichment.filter(|arn| !arn.is_empty()),
            enrichment_parameters: input.enrichment_parameters,
            target: input.target,
            target_parameters: input.target_parameters,
            role_arn: input.role_arn,
            logging: input.log_configuration.as_ref().map(logging).transpose()?,
            kms_key: input.kms_key_identifier,
            tags: added(Default::default(), input.tags.unwrap_or_default())?,
            created_at: call.now,
            modified_at: call.now,
        };
        self.check(call, tx, &mut row)?;
        let output = CreatePipeResponse {
            arn: Some(row.key.arn()),
            name: Some(row.key.name.clone()),
            desired_state: render::desired(&row),
            current_state: Some(row.current),
            creation_time: Some(row.created_at),
            last_modified_time: Some(row.modified_at),
        };
        tx.put(row);
        Ok(output)
    }
}

/// AWS docs: *EventBridge Pipes API Reference > DescribePipe*.
impl Query<DescribePipe> for Pipes {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribePipeRequest,
    ) -> Answer<DescribePipe> {
        find_pipe(snapshot, call, &input.name)
            .map(|row| -> DescribePipeResponse { render::described(&row) })
    }
}

/// AWS docs: *EventBridge Pipes API Reference > ListPipes*.
impl Query<ListPipes> for Pipes {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListPipesRequest,
    ) -> Answer<ListPipes> {
        let listing = listing::<ListPipes>(call, &input)?;
        let begins = |text: &str, prefix: &Option<String>| {
            prefix.as_ref().is_none_or(|prefix| text.starts_with(prefix))
        };
        let is_asked_for = |row: &PipeRow| {
            begins(&row.key.name, &input.name_prefix)
                && begins(&row.source, &input.source_prefix)
                && begins(&row.target, &input.target_prefix)
                && input.current_state.is_none_or(|state| row.current == state)
                && input.desired_state.is_none_or(|state| render::desired(row) == Some(state))
        };
        let all = pipes(snapshot, call).filter(|row| is_asked_for(row));
        let page = listing.page(all, |row| row.key.name.clone());
        let pipes = page.items.iter().map(|row| render::listed(row)).collect();
        Ok(ListPipesResponse { pipes: Some(pipes), next_token: page.next })
    }
}

/// AWS docs: *EventBridge Pipes API Reference > DeletePipe*.
impl Command<DeletePipe> for Pipes {
    fn command(&self, call: &Call, tx: &mut Tx, input: DeletePipeRequest) -> Answer<DeletePipe> {
        let mut row = PipeRow::clone(&*find_pipe(tx, call, &input.name)?);
        if row.is_in_transition() {
            return Err(in_transition(&input.name, row.current));
        }
        row.desired = Desired::Deleted;
        row.current = PipeState::Deleting;
        row.reason = None;
        row.modified_at = call.now;
        let output = DeletePipeResponse {
            arn: Some(row.key.arn()),
            name: Some(row.key.name.clone()),
            desired_state: Some(row.desired),
            current_state: Some(row.current),
            creation_time: Some(row.created_at),
            last_modified_time: Some(row.modified_at),
        };
        tx.put(row);
        Ok(output)
    }
}
