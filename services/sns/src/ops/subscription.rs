//! Subscriptions' attributes.

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow, Query, unwritten};
use haar_ledger::Snapshot;
use haar_sns_contract::{
    GetSubscriptionAttributes, GetSubscriptionAttributesInput, GetSubscriptionAttributesResponse,
    SetSubscriptionAttributes, SetSubscriptionAttributesInput, SetSubscriptionAttributesOutput,
};
use haar_wire::AwsError;

use super::subscribe::replay_of;
use crate::Sns;
use crate::lookup::find_subscription;
use crate::refusal::no_topic;
use crate::rules::delivery_policy::effective_of_subscription;
use crate::state::{SubscriptionRow, TopicRow};

/// AWS docs: *Amazon SNS API Reference > GetSubscriptionAttributes*.
impl Query<GetSubscriptionAttributes> for Sns {
    fn query(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        input: GetSubscriptionAttributesInput,
    ) -> Answer<GetSubscriptionAttributes> {
        let row = find_subscription(snapshot, &input.subscription_arn)?;
        let topic = snapshot.get::<TopicRow>(&row.key.topic);
        let of_topic = topic.as_ref().and_then(|topic| topic.settings.delivery_policy.as_deref());
        Ok(GetSubscriptionAttributesResponse { attributes: Some(shown(&row, of_topic)) })
    }
}

fn shown(row: &SubscriptionRow, topic_policy: Option<&str>) -> BTreeMap<String, String> {
    let choices = &row.choices;
    let mut shown = BTreeMap::new();
    let mut add = |name: &str, value: Option<String>| {
        shown.extend(value.map(|value| (name.to_owned(), value)));
    };
    add("SubscriptionArn", Some(row.key.arn()));
    add("TopicArn", Some(row.key.topic.arn()));
    add("Owner", Some(row.owner.to_string()));
    add("Protocol", Some(row.protocol.clone()));
    add("Endpoint", Some(row.endpoint.clone()));
    add("PendingConfirmation", Some(row.is_pending().to_string()));
    add("ConfirmationWasAuthenticated", Some(row.authenticated.to_string()));
    add("RawMessageDelivery", Some(choices.raw.to_string()));
    add("FilterPolicy", choices.filter_policy.clone());
    let scope = choices.filter_policy.as_ref().map(|_| choices.filter_scope.shown().to_owned());
    add("FilterPolicyScope", scope);
    add("RedrivePolicy", choices.redrive_policy.clone());
    add("ReplayPolicy", choices.replay_policy.clone());
    let status = row.replay.as_ref().map(|replay| replay.status.shown().to_owned());
    add("ReplayStatus", status);
    add("DeliveryPolicy", choices.delivery_policy.clone());
    if matches!(row.protocol.as_str(), "http" | "https") {
        let own = choices.delivery_policy.as_deref();
        let effective = effective_of_subscription(topic_policy, own);
        add("EffectiveDeliveryPolicy", Some(effective.to_string()));
    }
    shown
}

/// AWS docs: *Amazon SNS API Reference > SetSubscriptionAttributes*. A replay policy takes the place
/// of another, an empty one stops it.
impl Flow<SetSubscriptionAttributes> for Sns {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: SetSubscriptionAttributesInput,
    ) -> Answer<SetSubscriptionAttributes> {
        let value = input.attribute_value.unwrap_or_default();
        let (name, replay_id) = (&input.attribute_name, call.ids.uuid());
        let committed = self.doors.ledger.transact(|tx| {
            let row = find_subscription(tx, &input.subscription_arn)?;
            let mut row = SubscriptionRow::clone(&row);
            let protocol = row.protocol.clone();
            row.choices.set(&protocol, name, &value)?;
            row.choices.check()?;
            if name == "ReplayPolicy" {
                let topic = tx.get::<TopicRow>(&row.key.topic).ok_or_else(no_topic)?;
                row.replay = replay_of(&topic, &row.choices, &replay_id)?;
            }
            tx.put(row.clone());
            Ok::<_, AwsError>(row)
        })?;
        let row = committed.durable().await.map_err(unwritten)?;
        if name == "ReplayPolicy" {
            self.begin_replay(&row).await?;
        }
        Ok(SetSubscriptionAttributesOutput {})
    }
}
