//! Pipes started and stopped.

use haar_kernel::{Answer, Call, Command};
use haar_ledger::Tx;
use haar_pipes_contract::model::{
    PipeState, RequestedPipeState, RequestedPipeStateDescribeResponse as Desired, StartPipe,
    StartPipeRequest, StartPipeResponse, StopPipe, StopPipeRequest, StopPipeResponse,
};
use haar_wire::AwsError;

use crate::Pipes;
use crate::lookup::find_pipe;
use crate::refusal::in_transition;
use crate::render;
use crate::state::PipeRow;

/// What a caller asks for, as it is kept.
pub(super) fn desired(given: RequestedPipeState) -> Desired {
    match given {
        RequestedPipeState::Running => Desired::Running,
        RequestedPipeState::Stopped => Desired::Stopped,
    }
}

/// Asks for a state. One that it has already is no change: *ours*, AWS documents nothing.
fn ask(
    call: &Call,
    tx: &mut Tx,
    name: &str,
    (wanted, there, on_the_way): (Desired, PipeState, PipeState),
) -> Result<PipeRow, AwsError> {
    let mut row = PipeRow::clone(&*find_pipe(tx, call, name)?);
    if row.is_in_transition() {
        return Err(in_transition(name, row.current));
    }
    if row.current == there {
        return Ok(row);
    }
    (row.desired, row.goes_on) = (wanted, false);
    row.current = on_the_way;
    row.reason = None;
    row.modified_at = call.now;
    tx.put(row.clone());
    Ok(row)
}

/// AWS docs: *EventBridge Pipes API Reference > StartPipe*.
impl Command<StartPipe> for Pipes {
    fn command(&self, call: &Call, tx: &mut Tx, input: StartPipeRequest) -> Answer<StartPipe> {
        let states = (Desired::Running, PipeState::Running, PipeState::Starting);
        let row = ask(call, tx, &input.name, states)?;
        Ok(StartPipeResponse {
            arn: Some(row.key.arn()),
            name: Some(row.key.name.clone()),
            desired_state: render::desired(&row),
            current_state: Some(row.current),
            creation_time: Some(row.created_at),
            last_modified_time: Some(row.modified_at),
        })
    }
}

/// AWS docs: *EventBridge Pipes API Reference > StopPipe*.
impl Command<StopPipe> for Pipes {
    fn command(&self, call: &Call, tx: &mut Tx, input: StopPipeRequest) -> Answer<StopPipe> {
        let states = (Desired::Stopped, PipeState::Stopped, PipeState::Stopping);
        let row = ask(call, tx, &input.name, states)?;
        Ok(StopPipeResponse {
            arn: Some(row.key.arn()),
            name: Some(row.key.name.clone()),
            desired_state: render::desired(&row),
            current_state: Some(row.current),
            creation_time: Some(row.created_at),
            last_modified_time: Some(row.modified_at),
        })
    }
}
