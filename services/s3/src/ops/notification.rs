//! Which listeners a bucket tells what.

use std::sync::Arc;

use haar_kernel::targets::Consignment;
use haar_kernel::{Answer, Call, Flow, Query, unwritten};
use haar_lambda_contract::model::{InvocationRequest, InvocationType, Invoke};
use haar_ledger::Snapshot;
use haar_s3_contract::model::{
    GetBucketNotificationConfiguration, GetBucketNotificationConfigurationRequest,
    NotificationConfiguration, PutBucketNotificationConfiguration,
    PutBucketNotificationConfigurationRequest,
};
use haar_wire::AwsError;

use crate::S3;
use crate::lookup::{edit, find_bucket};
use crate::notices::{sender, test_event};
use crate::rules::given_id;
use crate::rules::notification::{all, check};
use crate::state::BucketRow;

/// What takes its messages in order is none of a bucket's listeners.
const FIFO: &str = "FIFO SQS queues are not supported.";

impl Query<GetBucketNotificationConfiguration> for S3 {
    fn query(
        &self,
        _call: &Call,
        snap: &Snapshot,
        input: GetBucketNotificationConfigurationRequest,
    ) -> Answer<GetBucketNotificationConfiguration> {
        Ok(find_bucket(snap, &input.bucket)?.notification.clone())
    }
}

/// AWS docs: *Amazon S3 API Reference > PutBucketNotificationConfiguration*.
impl Flow<PutBucketNotificationConfiguration> for S3 {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: PutBucketNotificationConfigurationRequest,
    ) -> Answer<PutBucketNotificationConfiguration> {
        let bucket = self.bucket(&input.bucket)?;
        let mut config = input.notification_configuration;
        check(&config)?;
        name_all(&mut config, &call);
        if input.skip_destination_validation != Some(true) {
            self.validate(&call, &bucket, &config).await?;
        }
        let committed = self.doors.ledger.transact(|tx| {
            edit(tx, &input.bucket, |row| {
                row.notification = config;
                Ok(())
            })
        })?;
        committed.durable().await.map_err(unwritten)?;
        Ok(Default::default())
    }
}

/// Gives a name to configurations that have none.
fn name_all(config: &mut NotificationConfiguration, call: &Call) {
    let name = |id: &mut Option<String>| {
        id.get_or_insert_with(|| given_id::of(&call.ids.uuid()));
    };
    config.queue_configurations.iter_mut().flatten().for_each(|one| name(&mut one.id));
    config.topic_configurations.iter_mut().flatten().for_each(|one| name(&mut one.id));
    config.lambda_function_configurations.iter_mut().flatten().for_each(|one| name(&mut one.id));
}

impl S3 {
    /// Sends the test event to queues and topics, and asks functions whether S3 may call them.
    async fn validate(
        &self,
        call: &Call,
        bucket: &BucketRow,
        config: &NotificationConfiguration,
    ) -> Result<(), AwsError> {
        let body = test_event(&bucket.name, call.now, call.request_id.as_str()).to_string();
        let mut refused = Vec::new();
        for one in all(config) {
            let sender = sender(&bucket.account, &bucket.name);
            let outcome = match one.arn.split(':').nth(2) {
                Some("lambda") => self.try_function(one.arn, sender.principal, bucket).await,
                Some("sqs" | "sns") => {
                    let region = bucket.region.clone();
                    let body = body.clone().into_bytes().into();
                    let mut test = Consignment::new(one.arn, sender, region, body);
                    test.subject = Some("Amazon S3 Notification".to_owned());
                    let sent = self.doors.targets.deliver(&test).await;
                    sent.map_err(|error| match one.arn.ends_with(".fifo") {
                        true => FIFO.to_owned(),
                        false => error.to_string(),
                    })
                }
                _ => Err("The ARN could not be parsed".to_owned()),
            };
            if let Err(why) = outcome {
                tracing::debug!(arn = one.arn, why, "a listener cannot be told");
                refused.push((one.arn.to_owned(), words(one.arn, &why)));
            }
        }
        match refused.is_empty() {
            true => Ok(()),
            false => Err(unable(&refused)),
        }
    }

    async fn try_function(
        &self,
        arn: &str,
        principal: Arc<haar_kernel::Principal>,
        bucket: &BucketRow,
    ) -> Result<(), String> {
        let input = InvocationRequest {
            function_name: arn.to_owned(),
            invocation_type: Some(InvocationType::DryRun),
            ..InvocationRequest::default()
        };
        let answer = self.doors.call::<Invoke>(principal, &bucket.region, input).await;
        answer.map(drop).map_err(|error| error.to_string())
    }
}

/// AWS names each by a numbered pair.
fn unable(refused: &[(String, String)]) -> AwsError {
    const NAMES: [(&str, &str); 5] = [
        ("ArgumentName1", "ArgumentValue1"),
        ("ArgumentName2", "ArgumentValue2"),
        ("ArgumentName3", "ArgumentValue3"),
        ("ArgumentName4", "ArgumentValue4"),
        ("ArgumentName5", "ArgumentValue5"),
    ];
    let text = "Unable to validate the following destination configurations";
    let mut error = AwsError::new("InvalidArgument", 400, text);
    for ((arn, why), (name, value)) in refused.iter().zip(NAMES) {
        error = error.element(name, arn.clone()).element(value, why.clone());
    }
    error
}

/// Why a listener cannot be told, as AWS says it.
fn words(arn: &str, why: &str) -> String {
    let kind = match arn.split(':').nth(2) {
        Some("sqs") => "queue",
        Some("sns") => "topic",
        Some("lambda") => return format!("Not authorized to invoke function [{arn}]"),
        _ => return "The ARN could not be parsed".to_owned(),
    };
    match why {
        FIFO => FIFO.to_owned(),
        _ if why.contains("Access") || why.contains("Authorization") => format!(
            "Permissions on the destination {kind} do not allow S3 to publish notifications from \
             this bucket"
        ),
        _ => format!("The destination {kind} does not exist"),
    }
}
