//! Making, finding and deleting queues.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use haar_kernel::{Answer, Call, Command, Flow, Query, unwritten};
use haar_ledger::{Snapshot, Tx};
use haar_sqs_contract::{
    CreateQueue, CreateQueueRequest, CreateQueueResult, DeleteQueue, DeleteQueueOutput,
    DeleteQueueRequest, GetQueueUrl, GetQueueUrlRequest, GetQueueUrlResult,
};
use haar_wire::AwsError;

use super::attributes::check_redrive;
use super::tags::check_tags;
use crate::Sqs;
use crate::lookup::find;
use crate::refusal::{deleted_recently, missing, no_queue, queue_exists};
use crate::rules::attributes::Settings;
use crate::rules::{name, url};
use crate::state::{DeletedRow, QueueKey, QueueRow};

/// How long a deleted queue's name is not to be had.
const DELETED_WAIT: Duration = Duration::from_secs(60);

/// AWS docs: *Amazon SQS API Reference > CreateQueue*.
impl Command<CreateQueue> for Sqs {
    fn command(&self, call: &Call, tx: &mut Tx, input: CreateQueueRequest) -> Answer<CreateQueue> {
        if input.queue_name.is_empty() {
            return Err(missing("QueueName"));
        }
        let given = input.attributes.unwrap_or_default();
        let is_fifo =
            given.get("FifoQueue").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        name::check(&input.queue_name, is_fifo)?;
        let mut settings = Settings::new(is_fifo);
        settings.apply(&given)?;
        let key = QueueKey {
            account: call.account.clone(),
            region: call.region.clone(),
            name: input.queue_name,
        };
        let queue_url = Some(url::of(&call.endpoint, &key.account, &key.name));
        if let Some(row) = tx.get::<QueueRow>(&key) {
            refuse_difference(&row.settings, &settings, &given)?;
            return Ok(CreateQueueResult { queue_url });
        }
        if let Some(deleted) = tx.get::<DeletedRow>(&key) {
            if deleted.at + self.doors.settings.wait(DELETED_WAIT) > call.now {
                return Err(deleted_recently());
            }
            tx.remove::<DeletedRow>(&key);
        }
        let tags = input.tags.unwrap_or_default();
        check_tags(&key.name, &tags)?;
        check_redrive(tx, &key, &settings)?;
        tx.put(QueueRow {
            key,
            id: call.ids.draw(),
            settings,
            created_at: call.now,
            modified_at: call.now,
            purged_at: None,
            tags,
        });
        Ok(CreateQueueResult { queue_url })
    }
}

/// A queue may be created again, if nothing that is given differs.
fn refuse_difference(
    there: &Settings,
    asked: &Settings,
    given: &BTreeMap<String, String>,
) -> Result<(), AwsError> {
    let (there, asked) = (there.shown(), asked.shown());
    let differs = |name: &&String| {
        let (there, asked) = (there.get(name.as_str()), asked.get(name.as_str()));
        match (there, asked) {
            (Some(there), Some(asked)) => !same(there, asked),
            (there, asked) => there != asked,
        }
    };
    match given.keys().find(differs) {
        Some(name) => Err(queue_exists(name)),
        None => Ok(()),
    }
}

/// Policies are the same if they say the same.
fn same(one: &str, other: &str) -> bool {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    one == other || json(one).is_some_and(|value| Some(value) == json(other))
}

/// AWS docs: *Amazon SQS API Reference > GetQueueUrl*.
impl Query<GetQueueUrl> for Sqs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetQueueUrlRequest,
    ) -> Answer<GetQueueUrl> {
        if input.queue_name.is_empty() {
            return Err(missing("QueueName"));
        }
        let account = match input.queue_owner_aws_account_id {
            Some(id) => id.parse().map_err(|_| no_queue())?,
            None => call.account.clone(),
        };
        let key = QueueKey { account, region: call.region.clone(), name: input.queue_name };
        match snapshot.contains::<QueueRow>(&key) {
            true => {
                let queue_url = Some(url::of(&call.endpoint, &key.account, &key.name));
                Ok(GetQueueUrlResult { queue_url })
            }
            false => Err(no_queue()),
        }
    }
}

/// AWS docs: *Amazon SQS API Reference > DeleteQueue*.
impl Flow<DeleteQueue> for Sqs {
    async fn flow(self: Arc<Self>, call: Call, input: DeleteQueueRequest) -> Answer<DeleteQueue> {
        let committed = self.doors.ledger.transact(|tx| {
            let row = find(tx, &call, &input.queue_url)?;
            let wait = self.doors.settings.wait(DELETED_WAIT);
            let free: Vec<QueueKey> = tx
                .all::<DeletedRow>()
                .filter(|deleted| deleted.at + wait <= call.now)
                .map(|deleted| deleted.key.clone())
                .collect();
            free.iter().for_each(|key| _ = tx.remove::<DeletedRow>(key));
            tx.remove::<QueueRow>(&row.key);
            tx.put(DeletedRow { key: row.key.clone(), at: call.now });
            Ok::<_, AwsError>(row.id)
        })?;
        let id = committed.durable().await.map_err(unwritten)?;
        self.engine.remove_queue(id);
        Ok(DeleteQueueOutput {})
    }
}
