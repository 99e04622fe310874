//! Carries what subscription filters match to functions and streams.
//!
//! AWS docs: *Amazon CloudWatch Logs User Guide > Real-time processing of log data with
//! subscriptions*.

use std::io::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use haar_courier::{Errand, Lane, Letter, Parcel, Verdict, back_off};
use haar_iam_contract::sender::{role_sender, service_sender};
use haar_kernel::Doors;
use haar_kernel::targets::{Consignment, Sender, Undelivered};
use haar_lambda_contract::model::{InvocationRequest, InvocationType, Invoke};
use haar_wire::AwsError;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Logs;
use crate::refusal;
use crate::state::{GroupKey, SubscriptionRow};

/// Bytes of messages in one letter. *Ours*: small enough for a function's event, compressed or not.
const LETTER_BYTES_MAX: usize = 128 << 10;
/// The wait after the first failure; each further one is twice as long. *Ours*.
const BACK_OFF_FIRST: Duration = Duration::from_secs(1);
/// The longest wait. *Ours*.
const BACK_OFF_LONGEST: Duration = Duration::from_secs(300);
/// Age at which events are given up: AWS tries again for up to 24 hours.
const AGE_MAX: Duration = Duration::from_secs(24 * 3600);
/// The service that sends.
pub(crate) const SERVICE: &str = "logs.amazonaws.com";

/// Matching events on their way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Subscribed {
    group: GroupKey,
    stream: String,
    filter: String,
    destination_arn: String,
    role_arn: Option<String>,
    is_random: bool,
    events: Vec<SubscribedEvent>,
}

/// One of them, as subscribers see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SubscribedEvent {
    pub(crate) id: String,
    pub(crate) timestamp: i64,
    pub(crate) message: String,
}

impl Subscribed {
    /// Letters with a filter's matching events, in their order.
    pub(crate) fn letters(
        filter: &SubscriptionRow,
        stream: &str,
        events: impl Iterator<Item = SubscribedEvent>,
    ) -> Vec<Letter> {
        let (mut letters, mut gathered, mut bytes) = (Vec::new(), Vec::new(), 0);
        for event in events {
            if bytes + event.message.len() > LETTER_BYTES_MAX && !gathered.is_empty() {
                letters.push(Self::letter(filter, stream, std::mem::take(&mut gathered)));
                bytes = 0;
            }
            bytes += event.message.len();
            gathered.push(event);
        }
        if !gathered.is_empty() {
            letters.push(Self::letter(filter, stream, gathered));
        }
        letters
    }

    fn letter(filter: &SubscriptionRow, stream: &str, events: Vec<SubscribedEvent>) -> Letter {
        let group = filter.key.group.clone();
        let owner = group.account.clone();
        let lane = format!("{} {} {stream}", group.arn(), filter.key.name);
        let subscribed = Self {
            group,
            stream: stream.to_owned(),
            filter: filter.key.name.clone(),
            destination_arn: filter.destination_arn.clone(),
            role_arn: filter.role_arn.clone(),
            is_random: filter.is_random,
            events,
        };
        Letter::new(&owner, Lane::Ordered(lane), subscribed.to_payload())
    }

    fn data(&self) -> Vec<u8> {
        let message = json!({
            "messageType": "DATA_MESSAGE",
            "owner": self.group.account.as_str(),
            "logGroup": self.group.name,
            "logStream": self.stream,
            "subscriptionFilters": [self.filter],
            "logEvents": self.events,
        });
        zipped(&message.to_string())
    }

    async fn deliver(&self, doors: &Doors) -> Result<(), Undelivered> {
        let role = self.role_arn.as_deref();
        let destination = Destination::of(&self.destination_arn, role)?;
        let key = (!self.is_random).then(|| self.stream.clone());
        destination.deliver(doors, &self.group, self.data(), key).await
    }
}

impl Errand for Subscribed {
    type Room = Logs;

    async fn run(self, room: &Logs, parcel: &Parcel) -> Verdict {
        let Err(error) = self.deliver(&room.doors).await else { return Verdict::Done };
        let age = room.doors.clock.now().since(parcel.sent_at);
        if error.is_transient && age < AGE_MAX {
            return Verdict::Retry(back_off(BACK_OFF_FIRST, BACK_OFF_LONGEST, parcel.failed_count));
        }
        let (group, filter) = (&self.group.name, &self.filter);
        tracing::warn!(group, filter, %error, "events of a subscription are given up");
        Verdict::Done
    }
}

fn zipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    written.expect("memory takes all that is written")
}

/// Where a subscription filter sends to.
pub(crate) enum Destination<'a> {
    /// A function, which lets the service in by its policy.
    Function(&'a str),
    /// A stream, into which a role may put.
    Stream { arn: &'a str, role_arn: &'a str },
}

impl<'a> Destination<'a> {
    /// Reads a destination.
    ///
    /// # Errors
    /// When it is no function's and no stream's ARN, or a stream's without a role.
    pub(crate) fn of(arn: &'a str, role_arn: Option<&'a str>) -> Result<Self, AwsError> {
        match (arn.split(':').nth(2).unwrap_or_default(), role_arn) {
            ("lambda", _) => Ok(Self::Function(arn)),
            ("kinesis", Some(role_arn)) => Ok(Self::Stream { arn, role_arn }),
            ("kinesis", None) => Err(refusal::invalid(
                "destinationArn for vendor kinesis cannot be used without roleArn",
            )),
            (vendor, _) => Err(refusal::invalid(format!(
                "PutSubscriptionFilter operation cannot work with destinationArn for vendor \
                 {vendor}"
            ))),
        }
    }

    /// Refuses a destination that does not take anything.
    ///
    /// # Errors
    /// With AWS's words for its kind.
    pub(crate) async fn check(&self, doors: &Doors, group: &GroupKey) -> Result<(), AwsError> {
        match self {
            Self::Function(arn) => {
                let dry = InvocationType::DryRun;
                invoke(doors, group, arn, dry, bytes::Bytes::new()).await.map_err(|_| {
                    refusal::invalid(
                        "Could not execute the lambda function. Make sure you have given \
                         CloudWatch Logs permission to execute your function.",
                    )
                })
            }
            Self::Stream { .. } => {
                let text = "CWL CONTROL MESSAGE: Checking health of destination Kinesis stream.";
                let message = json!({
                    "messageType": "CONTROL_MESSAGE",
                    "owner": "CloudwatchLogs",
                    "logGroup": "",
                    "logStream": "",
                    "subscriptionFilters": [],
                    "logEvents": [
                        { "id": "", "timestamp": doors.clock.now().0, "message": text },
                    ],
                });
                let data = zipped(&message.to_string());
                self.deliver(doors, group, data, None).await.map_err(|_| {
                    refusal::invalid(
                        "Could not deliver test message to specified Kinesis stream. Check if \
                         the given kinesis stream is in ACTIVE state.",
                    )
                })
            }
        }
    }

    /// Delivers compressed events.
    async fn deliver(
        &self,
        doors: &Doors,
        group: &GroupKey,
        data: Vec<u8>,
        key: Option<String>,
    ) -> Result<(), Undelivered> {
        match self {
            Self::Function(arn) => {
                let event = json!({ "awslogs": { "data": STANDARD.encode(data) } });
                let body = event.to_string().into_bytes().into();
                invoke(doors, group, arn, InvocationType::Event, body).await.map_err(Into::into)
            }
            Self::Stream { arn, role_arn } => {
                let sender = stream_sender(doors, role_arn, group)?;
                let mut consignment =
                    Consignment::new(*arn, sender, group.region.clone(), data.into());
                consignment.partition_key = key;
                doors.targets.deliver(&consignment).await
            }
        }
    }
}

fn stream_sender(doors: &Doors, role_arn: &str, group: &GroupKey) -> Result<Sender, Undelivered> {
    role_sender(doors, role_arn, SERVICE, &source_arn(group)).map_err(|error| Undelivered {
        code: "AccessDeniedException".to_owned(),
        message: format!("{role_arn} cannot be assumed: {error:?}"),
        is_transient: false,
    })
}

/// As policies name a group: `arn:…:log-group:NAME:*`.
fn source_arn(group: &GroupKey) -> String {
    format!("{}:*", group.arn())
}

/// Calls a function as the service, whose name policies give with the region or without.
async fn invoke(
    doors: &Doors,
    group: &GroupKey,
    arn: &str,
    kind: InvocationType,
    payload: bytes::Bytes,
) -> Result<(), AwsError> {
    let regional = format!("logs.{}.amazonaws.com", group.region);
    let mut refused = None;
    for service in [SERVICE, &regional] {
        let input = InvocationRequest {
            function_name: arn.to_owned(),
            invocation_type: Some(kind),
            payload: Some(payload.clone()),
            ..InvocationRequest::default()
        };
        let sender = service_sender(&group.account, service, &source_arn(group));
        match doors.call::<Invoke>(sender.principal, &group.region, input).await {
            Ok(_) => return Ok(()),
            Err(error) if error.name() == "AccessDeniedException" => refused = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(refused.unwrap_or_else(|| AwsError::internal_failure("nothing was tried")))
}
