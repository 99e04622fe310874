//! What is asked of a source before a pipe runs: that it is there, and that the role may read it.

use std::sync::Arc;

use haar_dynamodbstreams_contract::{DescribeStream, DescribeStreamInput};
use haar_kernel::{Auth, Principal, Question};
use haar_kinesis_contract::{DescribeStreamSummary, DescribeStreamSummaryInput};
use haar_poller::{Errand, Filters};
use haar_sqs_contract::source::url_of;
use haar_sqs_contract::{GetQueueAttributes, GetQueueAttributesRequest};
use haar_wire::AwsError;

use crate::Pipes;
use crate::reader::{errand, sender};
use crate::rules::source::{SourceKind, kind};
use crate::state::PipeRow;

/// How reasons begin that come from the source.
const PREFIX: &str = "Input parameter is invalid from the request due to : ";
/// What a role must be allowed on a queue, beside looking at it.
const QUEUE_ACTIONS: [&str; 2] = ["ReceiveMessage", "DeleteMessage"];

impl Pipes {
    /// Why the source cannot be read, in the service's words.
    pub(crate) async fn probe(&self, row: &Arc<PipeRow>) -> Result<(), String> {
        let kind = kind(&row.source).map_err(|error| error.message().to_owned())?;
        let role = sender(&self.doors, row).map_err(|error| error.message().to_owned())?;
        let errand = errand(&self.doors, row, Filters::default());
        let (arn, told) = (
            row.source.as_str(),
            match kind {
                SourceKind::Queue | SourceKind::FifoQueue => {
                    let input = GetQueueAttributesRequest {
                        queue_url: url_of(&row.source),
                        ..GetQueueAttributesRequest::default()
                    };
                    let told = errand.call::<GetQueueAttributes>(input).await;
                    return queue_told(told.map(drop))
                        .and_then(|()| self.check_actions(&errand, &role.principal, &row.source));
                }
                SourceKind::Kinesis => {
                    let stream = row.source.split("/consumer/").next().unwrap_or(&row.source);
                    let input = DescribeStreamSummaryInput {
                        stream_arn: Some(stream.to_owned()),
                        ..DescribeStreamSummaryInput::default()
                    };
                    errand.call::<DescribeStreamSummary>(input).await.map(drop)
                }
                SourceKind::DynamoDb => {
                    let stream_arn = row.source.clone();
                    let input =
                        DescribeStreamInput { stream_arn, ..DescribeStreamInput::default() };
                    errand.call::<DescribeStream>(input).await.map(drop)
                }
            },
        );
        stream_told(told, arn)
    }

    /// Weighs what a poller will do with a queue.
    fn check_actions(
        &self,
        errand: &Errand,
        role: &Arc<Principal>,
        arn: &str,
    ) -> Result<(), String> {
        if self.doors.settings.auth == Auth::Permissive {
            return Ok(());
        }
        let as_role = self.doors.call_as(Arc::clone(role), errand.region());
        for action in QUEUE_ACTIONS {
            let question = Question {
                action: &format!("sqs:{action}"),
                resource: arn,
                policy: None,
                keys: &[],
            };
            self.doors.authorise(&as_role, &question).map_err(|_| no_permission(action))?;
        }
        Ok(())
    }
}

fn no_permission(action: &str) -> String {
    format!("{PREFIX}The provided customer role does not have permissions to call {action} on SQS")
}

fn queue_told(told: Result<(), AwsError>) -> Result<(), String> {
    match told {
        Err(error) if error.status() < 500 && error.name() == "QueueDoesNotExist" => Err(format!(
            "{PREFIX}Error occurred while ReceiveMessage. SQS Error Code: \
             AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: {}",
            error.message()
        )),
        Err(error) if error.status() < 500 => Err(no_permission("GetQueueAttributes")),
        _ => Ok(()), // it works, or nobody serves queues now
    }
}

fn stream_told(told: Result<(), AwsError>, arn: &str) -> Result<(), String> {
    match told {
        Err(error) if error.status() < 500 && error.name() == "ResourceNotFoundException" => {
            Err(format!("{PREFIX}Stream not found: {arn}"))
        }
        Err(error) if error.status() < 500 => Err(format!(
            "{PREFIX}Cannot access stream {arn}. Please ensure the role can perform the \
             GetRecords, GetShardIterator, DescribeStream, and ListStreams Actions on your stream \
             in IAM."
        )),
        _ => Ok(()),
    }
}
