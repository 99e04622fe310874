//! Subscribing, confirming, unsubscribing.

use std::sync::Arc;

use haar_courier::Lane;
use haar_kernel::{Answer, Call, Command, Flow, unwritten};
use haar_ledger::Tx;
use haar_policy::Principal as Identity;
use haar_sns_contract::{
    ConfirmSubscription, ConfirmSubscriptionInput, ConfirmSubscriptionResponse,
    FilterPolicyLimitExceededException, Subscribe, SubscribeInput, SubscribeResponse,
    SubscriptionLimitExceededException, Unsubscribe, UnsubscribeInput, UnsubscribeOutput,
};
use haar_types::{AccountId, Arn};
use haar_wire::AwsError;

use crate::Sns;
use crate::lookup::{find_topic, topic_key};
use crate::publish::What;
use crate::refusal::{invalid, no_topic, not_authorized};
use crate::rules::attributes::Choices;
use crate::rules::subscriber;
use crate::state::{EndpointRow, Replay, SubscriptionKey, SubscriptionRow, TopicRow, of_topic};

/// Subscriptions with filter policies of one topic.
const FILTERS_MAX: usize = 200;

/// Subscriptions of one FIFO topic. AWS docs: *Amazon SNS endpoints and quotas*.
const FIFO_SUBSCRIPTIONS_MAX: usize = 100;

/// AWS docs: *Amazon SNS API Reference > Subscribe*.
impl Flow<Subscribe> for Sns {
    async fn flow(self: Arc<Self>, call: Call, input: SubscribeInput) -> Answer<Subscribe> {
        let wants_arn = input.return_subscription_arn == Some(true);
        let row = self.subscribe(&call, input).await?;
        self.begin_replay(&row).await?;
        if row.is_pending() {
            let what =
                What::Confirmation { subscription: row.key.clone(), message_id: call.ids.uuid() };
            let lane = Lane::Shared(format!("{} {}", row.protocol, row.endpoint));
            self.send(&call, lane, what).await?;
        }
        let subscription_arn = match row.is_pending() && !wants_arn {
            true => "pending confirmation".to_owned(),
            false => row.key.arn(),
        };
        Ok(SubscribeResponse { subscription_arn: Some(subscription_arn) })
    }
}

impl Sns {
    async fn subscribe(
        &self,
        call: &Call,
        input: SubscribeInput,
    ) -> Result<SubscriptionRow, AwsError> {
        let endpoint = input.endpoint.unwrap_or_default();
        let protocol = input.protocol;
        let mut choices = Choices::default();
        for (name, value) in input.attributes.unwrap_or_default() {
            choices.set(&protocol, &name, &value)?;
        }
        choices.check().map_err(within_attributes)?;
        let (id, token, replay_id) = (call.ids.uuid(), call.ids.hex(160), call.ids.uuid());
        let committed = self.doors.ledger.transact(|tx| {
            let topic = find_topic(tx, &input.topic_arn)?;
            subscriber::check(&protocol, &endpoint, topic.settings.is_fifo)?;
            if protocol == "application" && tx.get::<EndpointRow>(&endpoint).is_none() {
                return Err(invalid("Endpoint does not exist for endpoint arn"));
            }
            let same = of_topic(tx, &topic.key)
                .find(|row| row.protocol == protocol && row.endpoint == endpoint);
            if let Some(row) = same {
                return match row.choices == choices || choices == Choices::default() {
                    true => Ok((*row).clone()),
                    false => Err(invalid(
                        "Attributes Reason: Subscription already exists with different attributes",
                    )),
                };
            }
            if topic.settings.is_fifo && of_topic(tx, &topic.key).count() >= FIFO_SUBSCRIPTIONS_MAX
            {
                let text = "Subscription limit exceeded"; // *Ours*: the words
                return Err(SubscriptionLimitExceededException::message(text).into());
            }
            if choices.filter_policy.is_some() {
                check_filters(tx, &topic)?;
            }
            let confirms_itself = confirms_itself(&protocol, &endpoint, &call.account);
            let row = SubscriptionRow {
                key: SubscriptionKey { topic: topic.key.clone(), id: id.clone() },
                owner: call.account.clone(),
                protocol: protocol.clone(),
                endpoint: endpoint.clone(),
                choices: choices.clone(),
                token: (!confirms_itself).then(|| token.clone()),
                authenticated: confirms_itself,
                guarded: false,
                replay: replay_of(&topic, &choices, &replay_id)?,
            };
            tx.put(row.clone());
            Ok::<_, AwsError>(row)
        })?;
        committed.durable().await.map_err(unwritten)
    }
}

/// What a subscription is to get again, by what it chose. *Ours*: the words.
pub(super) fn replay_of(
    topic: &TopicRow,
    choices: &Choices,
    id: &str,
) -> Result<Option<Replay>, AwsError> {
    let Some(wanted) = choices.replay() else { return Ok(None) };
    match topic.archived_since {
        Some(_) => Ok(Some(Replay::new(id.to_owned(), wanted))),
        None => Err(invalid("ReplayPolicy Reason: The topic has no active ArchivePolicy")),
    }
}

fn check_filters(tx: &Tx, topic: &TopicRow) -> Result<(), AwsError> {
    let filters = of_topic(tx, &topic.key).filter(|row| row.choices.filter_policy.is_some());
    match filters.count() < FILTERS_MAX {
        true => Ok(()),
        false => {
            let text = "Filter policy limit exceeded for topic";
            Err(FilterPolicyLimitExceededException::message(text).into())
        }
    }
}

/// A refused filter policy of `Subscribe` is one of its attributes.
pub(super) fn within_attributes(error: AwsError) -> AwsError {
    match error.message().strip_prefix("Invalid parameter: FilterPolicy") {
        Some(rest) => invalid(format!("Attributes Reason: FilterPolicy{rest}")),
        None => error,
    }
}

/// Whether no endpoint has to be asked: phones and devices are not, and neither are queues and
/// functions of the account that subscribes them.
fn confirms_itself(protocol: &str, endpoint: &str, account: &AccountId) -> bool {
    match protocol {
        "sms" | "application" => true,
        "sqs" | "lambda" => {
            let arn: Option<Arn> = endpoint.parse().ok();
            arn.is_some_and(|arn| arn.account() == account.as_str())
        }
        _ => false,
    }
}

/// AWS docs: *Amazon SNS API Reference > ConfirmSubscription*. Whoever has the token may.
impl Command<ConfirmSubscription> for Sns {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: ConfirmSubscriptionInput,
    ) -> Answer<ConfirmSubscription> {
        let key = topic_key(&input.topic_arn, "TopicArn")?;
        if !tx.contains::<TopicRow>(&key) {
            return Err(no_topic());
        }
        let is_token =
            |row: &Arc<SubscriptionRow>| row.token.as_deref() == Some(input.token.as_str());
        let row = of_topic(tx, &key).find(is_token).ok_or_else(|| invalid("Token"))?;
        let subscription_arn = Some(row.key.arn());
        let mut row = SubscriptionRow::clone(&row);
        let is_known = !matches!(call.principal.identity, Identity::Anonymous);
        row.guarded = is_known && input.authenticate_on_unsubscribe.as_deref() == Some("true");
        row.authenticated = is_known && call.principal.access_key_id.is_some();
        row.token = None;
        tx.put(row);
        Ok(ConfirmSubscriptionResponse { subscription_arn })
    }
}

/// AWS docs: *Amazon SNS API Reference > Unsubscribe*. A subscription that is not there is no
/// error. Whoever has the link may, unless the subscriber asked for more.
impl Command<Unsubscribe> for Sns {
    fn command(&self, call: &Call, tx: &mut Tx, input: UnsubscribeInput) -> Answer<Unsubscribe> {
        let arn = &input.subscription_arn;
        let Some(key) = SubscriptionKey::of_arn(arn) else {
            return Err(invalid(format!(
                "SubscriptionArn Reason: An ARN must have at least 6 elements, not {}",
                arn.split(':').count()
            )));
        };
        let Some(row) = tx.get::<SubscriptionRow>(&key) else { return Ok(UnsubscribeOutput {}) };
        let is_owner = !matches!(call.principal.identity, Identity::Anonymous)
            && [&row.owner, &key.topic.account].contains(&&call.account);
        if row.guarded && !is_owner {
            return Err(not_authorized("User is not authorized to unsubscribe this subscription"));
        }
        if row.is_pending() && !is_owner {
            return Err(invalid("This subscription is not confirmed"));
        }
        tx.remove::<SubscriptionRow>(&key);
        tx.update::<TopicRow>(&key.topic, |topic| topic.unsubscribed_count += 1);
        Ok(UnsubscribeOutput {})
    }
}
