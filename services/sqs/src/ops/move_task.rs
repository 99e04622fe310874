//! Moving dead letters back to where they came from.
//!
//! The operations write a wish; the controller `sqs.moves` moves.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haar_kernel::{Answer, Call, Flow, Query, unwritten};
use haar_ledger::{Snapshot, Tx};
use haar_sqs_contract::{
    CancelMessageMoveTask, CancelMessageMoveTaskRequest, CancelMessageMoveTaskResult,
    ListMessageMoveTasks, ListMessageMoveTasksRequest, ListMessageMoveTasksResult,
    ListMessageMoveTasksResultEntry, StartMessageMoveTask, StartMessageMoveTaskRequest,
    StartMessageMoveTaskResult,
};
use haar_wire::AwsError;
use serde_json::{Value, json};

use crate::Sqs;
use crate::refusal::{broken, invalid, invalid_value, no_resource, unsupported};
use crate::state::{MoveStatus, MoveTaskRow, QueueKey, QueueRow};

const RATE_MAX: i32 = 500;
const LIST_MAX: i32 = 10;

/// AWS docs: *Amazon SQS API Reference > StartMessageMoveTask*.
impl Flow<StartMessageMoveTask> for Sqs {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: StartMessageMoveTaskRequest,
    ) -> Answer<StartMessageMoveTask> {
        let rate_max = input.max_number_of_messages_per_second;
        if let Some(rate) = rate_max.filter(|rate| !(1..=RATE_MAX).contains(rate)) {
            let reason = "Must be between 1 and 500, if provided.";
            let name = "MaxNumberOfMessagesPerSecond";
            return Err(invalid_value(rate.to_string(), name, reason));
        }
        let source = queue_of(&self.doors.ledger.snapshot(), &input.source_arn, "SourceArn")?;
        let queue = self.at_work(&source).await.map_err(broken)?;
        let (counts, _) = self.engine.counts(&queue).map_err(broken)?;
        let id = call.ids.uuid();
        let committed = self.doors.ledger.transact(|tx| {
            let destination = input.destination_arn.as_ref();
            let destination =
                destination.map(|arn| queue_of(tx, arn, "DestinationArn")).transpose()?;
            refuse_start(tx, &source, destination.as_deref())?;
            forget_oldest(tx, &source.key);
            tx.put(MoveTaskRow {
                key: (source.key.account.clone(), source.key.region.clone(), id.clone()),
                source: source.key.clone(),
                destination: destination.map(|row| row.key.clone()),
                rate_max: rate_max.and_then(|rate| u32::try_from(rate).ok()),
                status: MoveStatus::Running,
                moved_count: 0,
                to_move_count: counts.ready as u64,
                failure: None,
                started_at: call.now,
                next_at: call.now,
            });
            Ok::<_, AwsError>(())
        })?;
        committed.durable().await.map_err(unwritten)?;
        let task_handle = Some(handle_of(&id, &input.source_arn));
        Ok(StartMessageMoveTaskResult { task_handle })
    }
}

fn queue_of(snapshot: &Snapshot, arn: &str, parameter: &str) -> Result<Arc<QueueRow>, AwsError> {
    let key = QueueKey::of_arn(arn);
    let Some(key) = key else {
        return Err(invalid_value(arn, parameter, "It is not the ARN of a queue."));
    };
    snapshot.get::<QueueRow>(&key).ok_or_else(|| {
        no_resource(&format!(
            "The resource that you specified for the {parameter} parameter doesn't exist."
        ))
    })
}

fn refuse_start(
    snapshot: &Snapshot,
    source: &QueueRow,
    destination: Option<&QueueRow>,
) -> Result<(), AwsError> {
    let arn = source.key.arn();
    let is_dead_letter_queue = snapshot.all::<QueueRow>().any(|row| {
        row.settings.redrive.as_ref().is_some_and(|(_, redrive)| redrive.target_arn == arn)
    });
    if !is_dead_letter_queue {
        return Err(invalid("Source queue must be configured as a Dead Letter Queue."));
    }
    if let Some(destination) = destination {
        if destination.key == source.key {
            return Err(invalid("Source and destination queues must be different."));
        }
        if destination.settings.is_fifo != source.settings.is_fifo {
            return Err(invalid("Source and destination queues must be of the same type."));
        }
    }
    let mut tasks = snapshot.all::<MoveTaskRow>();
    match tasks.any(|task| task.source == source.key && task.status.is_open()) {
        true => Err(unsupported(
            "There is already a task running. Only one active task is allowed for a source queue \
             arn at a given time.",
        )),
        false => Ok(()),
    }
}

/// Makes room for one more task: the last ten of a queue are listed.
fn forget_oldest(tx: &mut Tx, source: &QueueKey) {
    let mut tasks: Vec<Arc<MoveTaskRow>> =
        tx.all::<MoveTaskRow>().filter(|task| task.source == *source).collect();
    tasks.sort_by_key(|task| std::cmp::Reverse(task.started_at));
    for task in tasks.iter().skip(LIST_MAX as usize - 1) {
        tx.remove::<MoveTaskRow>(&task.key);
    }
}

/// AWS docs: *Amazon SQS API Reference > CancelMessageMoveTask*.
impl Flow<CancelMessageMoveTask> for Sqs {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: CancelMessageMoveTaskRequest,
    ) -> Answer<CancelMessageMoveTask> {
        let (id, _) = read_handle(&input.task_handle)
            .ok_or_else(|| invalid_value(&input.task_handle, "TaskHandle", "It is malformed."))?;
        let key = (call.account.clone(), call.region.clone(), id);
        let committed = self.doors.ledger.transact(|tx| {
            let task = tx.get::<MoveTaskRow>(&key);
            let task = task.ok_or_else(|| no_resource("Task does not exist."))?;
            if task.status != MoveStatus::Running {
                return Err(unsupported("Only active tasks can be cancelled."));
            }
            tx.put(MoveTaskRow { status: MoveStatus::Cancelling, ..(*task).clone() });
            Ok::<_, AwsError>(task.moved_count)
        })?;
        let moved = committed.durable().await.map_err(unwritten)?;
        let moved = i64::try_from(moved).ok();
        Ok(CancelMessageMoveTaskResult { approximate_number_of_messages_moved: moved })
    }
}

/// AWS docs: *Amazon SQS API Reference > ListMessageMoveTasks*.
impl Query<ListMessageMoveTasks> for Sqs {
    fn query(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        input: ListMessageMoveTasksRequest,
    ) -> Answer<ListMessageMoveTasks> {
        let max = input.max_results.unwrap_or(1);
        if !(1..=LIST_MAX).contains(&max) {
            let reason = "Must be between 1 and 10, if provided.";
            return Err(invalid_value(max.to_string(), "MaxResults", reason));
        }
        let source = queue_of(snapshot, &input.source_arn, "SourceArn")?;
        let mut tasks: Vec<Arc<MoveTaskRow>> =
            snapshot.all::<MoveTaskRow>().filter(|task| task.source == source.key).collect();
        tasks.sort_by_key(|task| std::cmp::Reverse(task.started_at));
        tasks.truncate(usize::try_from(max).unwrap_or(1));
        let results = tasks.iter().map(|task| shown(task)).collect();
        Ok(ListMessageMoveTasksResult { results: Some(results) })
    }
}

fn shown(task: &MoveTaskRow) -> ListMessageMoveTasksResultEntry {
    let source_arn = task.source.arn();
    let handle = (task.status == MoveStatus::Running).then(|| handle_of(&task.key.2, &source_arn));
    ListMessageMoveTasksResultEntry {
        task_handle: handle,
        status: Some(task.status.shown().to_owned()),
        source_arn: Some(source_arn),
        destination_arn: task.destination.as_ref().map(QueueKey::arn),
        max_number_of_messages_per_second: task.rate_max.and_then(|rate| i32::try_from(rate).ok()),
        approximate_number_of_messages_moved: i64::try_from(task.moved_count).ok(),
        approximate_number_of_messages_to_move: i64::try_from(task.to_move_count).ok(),
        failure_reason: task.failure.clone(),
        started_timestamp: Some(task.started_at.0),
    }
}

fn handle_of(id: &str, source_arn: &str) -> String {
    STANDARD.encode(json!({ "taskId": id, "sourceArn": source_arn }).to_string())
}

/// A task's id and its source's ARN.
fn read_handle(handle: &str) -> Option<(String, String)> {
    let json: Value = serde_json::from_slice(&STANDARD.decode(handle).ok()?).ok()?;
    Some((json["taskId"].as_str()?.to_owned(), json["sourceArn"].as_str()?.to_owned()))
}

/// The ARN of the queue whose dead letters a handle's task moves.
pub(crate) fn source_of_handle(handle: &str) -> Option<String> {
    read_handle(handle).map(|(_, arn)| arn)
}
