//! Pipes changed.
//!
//! AWS docs: *EventBridge Pipes API Reference > UpdatePipe*: members of parameters are replaced
//! together; what is not given at all stays.

use haar_kernel::{Answer, Call, Command};
use haar_ledger::Tx;
use haar_pipes_contract::model::{
    PipeSourceParameters, PipeState, UpdatePipe, UpdatePipeRequest, UpdatePipeResponse,
    UpdatePipeSourceParameters,
};

use super::check::logging;
use crate::Pipes;
use crate::lookup::find_pipe;
use crate::refusal::in_transition;
use crate::render;
use crate::state::PipeRow;

impl Command<UpdatePipe> for Pipes {
    fn command(&self, call: &Call, tx: &mut Tx, input: UpdatePipeRequest) -> Answer<UpdatePipe> {
        let there = find_pipe(tx, call, &input.name)?;
        let mut row = PipeRow::clone(&there);
        if row.is_in_transition() {
            return Err(in_transition(&input.name, row.current));
        }
        if input.description.is_some() {
            row.description = input.description;
        }
        if let Some(state) = input.desired_state {
            row.desired = super::run::desired(state);
        }
        if let Some(given) = input.source_parameters {
            replace(&mut row.source_parameters, given);
        }
        if let Some(enrichment) = input.enrichment {
            row.enrichment = Some(enrichment).filter(|arn| !arn.is_empty());
        }
        if input.enrichment_parameters.is_some() {
            row.enrichment_parameters = input.enrichment_parameters;
        }
        if let Some(target) = input.target {
            row.target = target;
        }
        if input.target_parameters.is_some() {
            row.target_parameters = input.target_parameters;
        }
        row.role_arn = input.role_arn;
        if let Some(given) = &input.log_configuration {
            row.logging = Some(logging(given)?);
        }
        if let Some(key) = input.kms_key_identifier {
            row.kms_key = Some(key).filter(|key| !key.is_empty());
        }
        row.current = PipeState::Updating;
        (row.reason, row.goes_on) = (None, false);
        row.before = Some(Box::new(PipeRow::clone(&there)));
        row.modified_at = call.now;
        self.check(call, tx, &mut row)?;
        let output = UpdatePipeResponse {
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

/// Where a stream is read from cannot be changed; all else of the parameters is replaced.
fn replace(kept: &mut PipeSourceParameters, given: UpdatePipeSourceParameters) {
    if given.filter_criteria.is_some() {
        kept.filter_criteria = given.filter_criteria;
    }
    if let (Some(kept), Some(given)) =
        (&mut kept.kinesis_stream_parameters, given.kinesis_stream_parameters)
    {
        kept.batch_size = given.batch_size;
        kept.dead_letter_config = given.dead_letter_config;
        kept.on_partial_batch_item_failure = given.on_partial_batch_item_failure;
        kept.maximum_batching_window_in_seconds = given.maximum_batching_window_in_seconds;
        kept.maximum_record_age_in_seconds = given.maximum_record_age_in_seconds;
        kept.maximum_retry_attempts = given.maximum_retry_attempts;
        kept.parallelization_factor = given.parallelization_factor;
    }
    if let (Some(kept), Some(given)) =
        (&mut kept.dynamo_db_stream_parameters, given.dynamo_db_stream_parameters)
    {
        kept.batch_size = given.batch_size;
        kept.dead_letter_config = given.dead_letter_config;
        kept.on_partial_batch_item_failure = given.on_partial_batch_item_failure;
        kept.maximum_batching_window_in_seconds = given.maximum_batching_window_in_seconds;
        kept.maximum_record_age_in_seconds = given.maximum_record_age_in_seconds;
        kept.maximum_retry_attempts = given.maximum_retry_attempts;
        kept.parallelization_factor = given.parallelization_factor;
    }
    if let Some(given) = given.sqs_queue_parameters {
        let kept = kept.sqs_queue_parameters.get_or_insert_default();
        kept.batch_size = given.batch_size;
        kept.maximum_batching_window_in_seconds = given.maximum_batching_window_in_seconds;
    }
}
