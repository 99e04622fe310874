//! Queues as other rooms' targets: a consignment becomes a message.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use haar_kernel::Doors;
use haar_kernel::targets::{Consignment, Target, Undelivered};
use haar_sqs_contract::{MessageAttributeValue, SendMessage, SendMessageRequest};

use crate::refusal::no_queue;
use crate::rules::url;
use crate::state::QueueKey;

/// Sends what is sent to a queue.
pub(crate) struct Queues(pub(crate) Doors);

impl Target for Queues {
    fn deliver<'a>(
        &'a self,
        consignment: &'a Consignment,
    ) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            let key = QueueKey::of_arn(&consignment.arn).ok_or_else(no_queue)?;
            let principal = consignment.sender.principal.clone();
            let input = message(&key, consignment);
            self.0.call::<SendMessage>(principal, &key.region, input).await?;
            Ok(())
        })
    }
}

/// AWS's services send to a FIFO queue what has a group; a queue that is not one takes neither
/// group nor deduplication id from them.
fn message(key: &QueueKey, consignment: &Consignment) -> SendMessageRequest {
    let is_fifo = key.name.ends_with(crate::rules::name::FIFO_SUFFIX);
    let attribute = |(name, value): &(String, String)| {
        let value = MessageAttributeValue {
            data_type: "String".to_owned(),
            string_value: Some(value.clone()),
            ..MessageAttributeValue::default()
        };
        (name.clone(), value)
    };
    let has_value = |(_, value): &&(String, String)| !value.is_empty();
    let attributes: BTreeMap<_, _> =
        consignment.attributes.iter().filter(has_value).map(attribute).collect();
    SendMessageRequest {
        queue_url: url::of("", &key.account, &key.name),
        message_body: String::from_utf8_lossy(&consignment.body).into_owned(),
        message_attributes: Some(attributes).filter(|all| !all.is_empty()),
        message_group_id: consignment.group.clone().filter(|_| is_fifo),
        message_deduplication_id: consignment.deduplication.clone().filter(|_| is_fifo),
        ..SendMessageRequest::default()
    }
}
