//! What is asked of a source before it is mapped: that it is there, and that the function's role
//! may read it.

use std::sync::Arc;

use haar_dynamodbstreams_contract::{DescribeStream, DescribeStreamInput};
use haar_kernel::{Auth, Call, Principal, Question};
use haar_kinesis_contract::{DescribeStreamSummary, DescribeStreamSummaryInput};
use haar_policy::{Document, Grammar};
use haar_sqs_contract::source::url_of;
use haar_sqs_contract::{GetQueueAttributes, GetQueueAttributesRequest};
use haar_types::{Arn, Region};
use haar_wire::AwsError;

use super::identity::principal;
use crate::lookup::ResolvedVersion;
use crate::rules::destination;
use crate::rules::event_source::SourceKind;
use crate::{Lambda, Refusal};

/// What a role must be allowed on a queue.
const QUEUE_ACTIONS: [&str; 3] = ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"];

impl Lambda {
    /// Refuses a source that is not there or that the function's role may not read.
    pub(crate) async fn check_source(
        &self,
        call: &Call,
        (kind, arn): (SourceKind, &str),
        resolved: &ResolvedVersion,
    ) -> Result<(), AwsError> {
        let role = principal(self, resolved).map_err(|_| {
            Refusal::invalid("The role defined for the function cannot be assumed by Lambda.")
        })?;
        let parsed = Arn::try_from(arn.to_owned()).ok();
        let region = parsed.and_then(|arn| arn.region().parse().ok());
        let place = (arn, region.unwrap_or_else(|| call.region.clone()));
        match kind {
            SourceKind::Queue | SourceKind::FifoQueue => {
                self.check_queue(call, place, role, resolved).await
            }
            SourceKind::Kinesis => self.check_stream(place, role).await,
            SourceKind::DynamoDb => self.check_table_stream(place, role).await,
            _ => Ok(()),
        }
    }

    /// Refuses destinations that are queues and not there.
    pub(crate) async fn check_queues_there(
        &self,
        all: impl Iterator<Item = &String> + Send,
    ) -> Result<(), AwsError> {
        for arn in all.filter(|arn| arn.starts_with("arn:aws:sqs:")) {
            let refuse = || AwsError::from(destination::invalid(arn));
            let parsed = Arn::try_from(arn.clone()).map_err(|_| refuse())?;
            let account = parsed.account().parse().map_err(|_| refuse())?;
            let region: Region = parsed.region().parse().map_err(|_| refuse())?;
            // Whether it is there is asked for haar itself: its role need not be let to ask.
            let input = GetQueueAttributesRequest { queue_url: url_of(arn), attribute_names: None };
            let root = Arc::new(Principal::root(account));
            let told = self.doors.call::<GetQueueAttributes>(root, &region, input).await;
            if told.is_err_and(|error| error.name() == "QueueDoesNotExist") {
                return Err(refuse());
            }
        }
        Ok(())
    }

    async fn check_queue(
        &self,
        call: &Call,
        (arn, region): (&str, Region),
        role: Arc<Principal>,
        resolved: &ResolvedVersion,
    ) -> Result<(), AwsError> {
        let input = GetQueueAttributesRequest {
            queue_url: url_of(arn),
            attribute_names: Some(vec!["VisibilityTimeout".to_owned(), "Policy".to_owned()]),
        };
        let told = self.doors.call::<GetQueueAttributes>(Arc::clone(&role), &region, input).await;
        let attributes = match told {
            Ok(told) => told.attributes.unwrap_or_default(),
            Err(error) if error.status() >= 500 => return Ok(()), // nobody serves queues
            Err(error) if error.name() == "QueueDoesNotExist" => {
                return Err(Refusal::invalid(format!(
                    "Error occurred while ReceiveMessage. SQS Error Code: \
                     AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: {}",
                    error.message()
                ))
                .into());
            }
            Err(_) => return Err(no_permission("GetQueueAttributes")),
        };
        let policy = attributes.get("Policy").map(|text| Document::parse(text, Grammar::Resource));
        let policy = policy.and_then(Result::ok).map(Arc::new);
        self.check_actions(call, arn, &role, policy)?;
        let visible = attributes.get("VisibilityTimeout").and_then(|text| text.parse().ok());
        let (visible, timeout) = (visible.unwrap_or(30_u32), resolved.version.settings.timeout_s);
        if visible < timeout {
            return Err(Refusal::invalid(format!(
                "Queue visibility timeout: {visible} seconds is less than Function timeout: \
                 {timeout} seconds"
            ))
            .into());
        }
        Ok(())
    }

    /// Weighs what a poller will do with a queue.
    fn check_actions(
        &self,
        call: &Call,
        arn: &str,
        role: &Arc<Principal>,
        policy: Option<Arc<Document>>,
    ) -> Result<(), AwsError> {
        if self.doors.settings.auth == Auth::Permissive {
            return Ok(());
        }
        let as_role = self.doors.call_as(Arc::clone(role), call.region.clone());
        for action in QUEUE_ACTIONS {
            let question = Question {
                action: &format!("sqs:{action}"),
                resource: arn,
                policy: policy.clone(),
                keys: &[],
            };
            let allowed = self.doors.authorise(&as_role, &question);
            allowed.map_err(|_| no_permission(action))?;
        }
        Ok(())
    }

    async fn check_stream(
        &self,
        (arn, region): (&str, Region),
        role: Arc<Principal>,
    ) -> Result<(), AwsError> {
        let stream = arn.split("/consumer/").next().unwrap_or(arn);
        let input = DescribeStreamSummaryInput {
            stream_arn: Some(stream.to_owned()),
            ..DescribeStreamSummaryInput::default()
        };
        let told = self.doors.call::<DescribeStreamSummary>(role, &region, input).await;
        let actions = "GetRecords, GetShardIterator, DescribeStream, ListShards, and ListStreams";
        told.map(drop).or_else(|error| unreadable(&error, arn, actions))
    }

    async fn check_table_stream(
        &self,
        (arn, region): (&str, Region),
        role: Arc<Principal>,
    ) -> Result<(), AwsError> {
        let input =
            DescribeStreamInput { stream_arn: arn.to_owned(), ..DescribeStreamInput::default() };
        let told = self.doors.call::<DescribeStream>(role, &region, input).await;
        let actions = "GetRecords, GetShardIterator, DescribeStream, and ListStreams";
        told.map(drop).or_else(|error| unreadable(&error, arn, actions))
    }
}

fn no_permission(action: &str) -> AwsError {
    Refusal::invalid(format!(
        "The provided execution role does not have permissions to call {action} on SQS"
    ))
    .into()
}

/// Why a stream cannot be read; none where nobody serves streams.
fn unreadable(error: &AwsError, arn: &str, actions: &str) -> Result<(), AwsError> {
    if error.status() >= 500 {
        return Ok(());
    }
    if error.name() == "ResourceNotFoundException" {
        return Err(Refusal::invalid(format!("Stream not found: {arn}")).into());
    }
    Err(Refusal::invalid(format!(
        "Cannot access stream {arn}. Please ensure the role can perform the {actions} Actions on \
         your stream in IAM."
    ))
    .into())
}
