//! Rows as the API shows them.

use haar_pipes_contract::model::{
    DescribePipeResponse, Pipe, PipeState, RequestedPipeState,
    RequestedPipeStateDescribeResponse as Desired,
};

use crate::state::PipeRow;

/// The desired state in listings and answers, which know of no deleted pipes.
pub(crate) fn desired(row: &PipeRow) -> Option<RequestedPipeState> {
    match row.desired {
        Desired::Running => Some(RequestedPipeState::Running),
        Desired::Stopped => Some(RequestedPipeState::Stopped),
        Desired::Deleted => None,
    }
}

/// Why it is as it is: where nothing failed, because a user wanted it so.
fn reason(row: &PipeRow) -> Option<String> {
    let is_settled = matches!(row.current, PipeState::Running | PipeState::Stopped);
    row.reason.clone().or_else(|| is_settled.then(|| "User initiated".to_owned()))
}

pub(crate) fn described(row: &PipeRow) -> DescribePipeResponse {
    DescribePipeResponse {
        arn: Some(row.key.arn()),
        name: Some(row.key.name.clone()),
        description: row.description.clone(),
        desired_state: Some(row.desired),
        current_state: Some(row.current),
        state_reason: reason(row),
        source: Some(row.source.clone()),
        source_parameters: Some(row.source_parameters.clone()),
        enrichment: row.enrichment.clone(),
        enrichment_parameters: Some(row.enrichment_parameters.clone().unwrap_or_default()),
        target: Some(row.target.clone()),
        target_parameters: Some(row.target_parameters.clone().unwrap_or_default()),
        role_arn: Some(row.role_arn.clone()),
        tags: Some(row.tags.clone()),
        creation_time: Some(row.created_at),
        last_modified_time: Some(row.modified_at),
        log_configuration: row.logging.clone(),
        kms_key_identifier: row.kms_key.clone(),
    }
}

pub(crate) fn listed(row: &PipeRow) -> Pipe {
    Pipe {
        name: Some(row.key.name.clone()),
        arn: Some(row.key.arn()),
        desired_state: desired(row),
        current_state: Some(row.current),
        state_reason: reason(row),
        creation_time: Some(row.created_at),
        last_modified_time: Some(row.modified_at),
        source: Some(row.source.clone()),
        target: Some(row.target.clone()),
        enrichment: row.enrichment.clone(),
    }
}
