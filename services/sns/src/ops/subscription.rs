//! Subscriptions' attributes.

use std::collections::BTreeMap;

use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::Snapshot;
use haar_ledger::Tx;
use haar_sns_contract::{
    GetSubscriptionAttributes, GetSubscriptionAttributesInput, GetSubscriptionAttributesResponse,
    SetSubscriptionAttributes, SetSubscriptionAttributesInput, SetSubscriptionAttributesOutput,
};

use crate::Sns;
use crate::lookup::find_subscription;
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
    add("DeliveryPolicy", choices.delivery_policy.clone());
    if matches!(row.protocol.as_str(), "http" | "https") {
        let own = choices.delivery_policy.as_deref();
        let effective = effective_of_subscription(topic_policy, own);
        add("EffectiveDeliveryPolicy", Some(effective.to_string()));
    }
    shown
}

/// AWS docs: *Amazon SNS API Reference > SetSubscriptionAttributes*.
impl Command<SetSubscriptionAttributes> for Sns {
    fn command(
        &self,
        _call: &Call,
        tx: &mut Tx,
        input: SetSubscriptionAttributesInput,
    ) -> Answer<SetSubscriptionAttributes> {
        let row = find_subscription(tx, &input.subscription_arn)?;
        let mut row = SubscriptionRow::clone(&row);
        let value = input.attribute_value.unwrap_or_default();
        let protocol = row.protocol.clone();
        row.choices.set(&protocol, &input.attribute_name, &value)?;
        row.choices.check()?;
        tx.put(row);
        Ok(SetSubscriptionAttributesOutput {})
    }
}
