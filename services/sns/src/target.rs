//! Topics as other rooms' targets: a consignment is published.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use haar_kernel::Doors;
use haar_kernel::targets::{Consignment, Target, Undelivered};
use haar_sns_contract::{MessageAttributeValue, Publish, PublishInput};

use crate::state::TopicKey;

/// Publishes what is sent to a topic.
pub(crate) struct Topics(pub(crate) Doors);

impl Target for Topics {
    fn deliver<'a>(
        &'a self,
        consignment: &'a Consignment,
    ) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            let key = TopicKey::of_arn(&consignment.arn);
            let region = key.map_or_else(|| consignment.region.clone(), |key| key.region);
            let principal = consignment.sender.principal.clone();
            self.0.call::<Publish>(principal, &region, message(consignment)).await?;
            Ok(())
        })
    }
}

fn message(consignment: &Consignment) -> PublishInput {
    let is_fifo = consignment.arn.ends_with(".fifo");
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
    PublishInput {
        topic_arn: Some(consignment.arn.clone()),
        message: String::from_utf8_lossy(&consignment.body).into_owned(),
        subject: consignment.subject.clone(),
        message_attributes: Some(attributes).filter(|all| !all.is_empty()),
        message_group_id: consignment.group.clone().filter(|_| is_fifo),
        message_deduplication_id: consignment.deduplication.clone().filter(|_| is_fifo),
        ..PublishInput::default()
    }
}
