//! How rooms send to each other's resources: a record of an invocation to a queue, an event to a
//! function, a notification to a topic.
//!
//! The room that owns the ARNs of a service offers a [`Target`]; whoever sends names the resource
//! by its ARN and knows nothing else of it. Waiting, retries and dead letters are the sender's
//! part (`haar-courier`).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use haar_types::Region;
use haar_wire::AwsError;
use parking_lot::RwLock;
use serde_json::Value;

use crate::Principal;

/// Who sends.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Whose policies are weighed: a service such as `events.amazonaws.com`, with the condition
    /// keys `aws:SourceArn` and `aws:SourceAccount` in its session, or a role's session.
    pub principal: Arc<Principal>,
    /// The rule, topic, bucket, function or schedule on whose behalf it is sent.
    pub source_arn: String,
}

/// What is sent to one resource. A target takes of it what its service has a place for.
#[derive(Clone, Debug)]
pub struct Consignment {
    /// The resource.
    pub arn: String,
    /// Who sends it.
    pub sender: Sender,
    /// Where the sender is.
    pub region: Region,
    /// The message, event or record.
    pub body: Bytes,
    /// Attributes of the message, each a text.
    pub attributes: Vec<(String, String)>,
    /// The message group, for FIFO queues and topics.
    pub group: Option<String>,
    /// The deduplication id, for FIFO queues and topics.
    pub deduplication: Option<String>,
    /// The partition key, for streams.
    pub partition_key: Option<String>,
    /// The subject, for topics.
    pub subject: Option<String>,
    /// Parameters of the service's own, as the sender's API has them (`EcsParameters` …).
    pub parameters: Option<Value>,
}

impl Consignment {
    /// A body for a resource, with nothing else.
    pub fn new(arn: impl Into<String>, sender: Sender, region: Region, body: Bytes) -> Self {
        Self {
            arn: arn.into(),
            sender,
            region,
            body,
            attributes: Vec::new(),
            group: None,
            deduplication: None,
            partition_key: None,
            subject: None,
            parameters: None,
        }
    }
}

/// Why a resource did not take what was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Undelivered {
    /// AWS's error code.
    pub code: String,
    /// AWS's words.
    pub message: String,
    /// True when the same may be taken later with nothing else changed.
    pub is_transient: bool,
}

impl From<AwsError> for Undelivered {
    /// Faults of the service and throttling pass; the rest is refused for good.
    fn from(error: AwsError) -> Self {
        Self {
            code: error.code().to_owned(),
            message: error.message().to_owned(),
            is_transient: error.is_transient(),
        }
    }
}

/// Takes what is sent to the resources of one service.
pub trait Target: Send + Sync + 'static {
    /// Delivers one consignment; it is on disk with its receiver when this resolves.
    fn deliver<'a>(
        &'a self,
        consignment: &'a Consignment,
    ) -> BoxFuture<'a, Result<(), Undelivered>>;
}

/// The targets of all rooms, by the service in their ARNs. Filled once, when haar is wired.
#[derive(Clone, Default)]
pub struct Targets {
    by_service: Arc<RwLock<BTreeMap<&'static str, Arc<dyn Target>>>>,
}

impl std::fmt::Debug for Targets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.by_service.read().keys()).finish()
    }
}

impl Targets {
    /// Offers a room's target for the resources `arn:aws:SERVICE:…`.
    pub fn offer(&self, service: &'static str, target: Arc<dyn Target>) {
        self.by_service.write().insert(service, target);
    }

    /// True where somebody takes what is sent to such an ARN.
    pub fn serves(&self, arn: &str) -> bool {
        self.find(arn).is_some()
    }

    /// Delivers to the room that the ARN names.
    ///
    /// # Errors
    /// [`Undelivered`], the receiver's; also where no room here serves the ARN.
    pub async fn deliver(&self, consignment: &Consignment) -> Result<(), Undelivered> {
        match self.find(&consignment.arn) {
            Some(target) => target.deliver(consignment).await,
            None => Err(Undelivered {
                code: "NotImplemented".to_owned(),
                message: format!("haar cannot deliver to {} yet", consignment.arn),
                is_transient: false,
            }),
        }
    }

    fn find(&self, arn: &str) -> Option<Arc<dyn Target>> {
        let service = arn.strip_prefix("arn:")?.split(':').nth(1)?;
        self.by_service.read().get(service).cloned()
    }
}
