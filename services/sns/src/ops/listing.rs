//! Lists of topics and subscriptions.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Listing, Query};
use haar_ledger::Snapshot;
use haar_sns_contract::{
    LIST_SUBSCRIPTIONS, LIST_SUBSCRIPTIONS_BY_TOPIC, LIST_TOPICS, ListSubscriptions,
    ListSubscriptionsByTopic, ListSubscriptionsByTopicInput, ListSubscriptionsByTopicResponse,
    ListSubscriptionsInput, ListSubscriptionsResponse, ListTopics, ListTopicsInput,
    ListTopicsResponse, Subscription, Topic,
};
use haar_wire::AwsError;

use crate::Sns;
use crate::lookup::find_topic;
use crate::refusal::invalid;
use crate::state::{SubscriptionRow, TopicKey, TopicRow, of_topic};

/// Items of a page.
pub(super) const PAGE: usize = 100;

pub(super) fn bad_token() -> AwsError {
    invalid("NextToken")
}

/// AWS docs: *Amazon SNS API Reference > ListTopics*.
impl Query<ListTopics> for Sns {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListTopicsInput,
    ) -> Answer<ListTopics> {
        let listing = Listing::of(&LIST_TOPICS, call, &input, PAGE, PAGE);
        let listing = listing.map_err(|_| bad_token())?;
        let first = TopicKey {
            account: call.account.clone(),
            region: call.region.clone(),
            name: listing.after().unwrap_or_default().to_owned(),
        };
        let rows = snapshot.range::<TopicRow>(first..);
        let own =
            rows.take_while(|row| row.key.account == call.account && row.key.region == call.region);
        let page = listing.page(own, |row| row.key.name.clone());
        let topics = page.items.iter().map(|row| Topic { topic_arn: Some(row.key.arn()) });
        Ok(ListTopicsResponse { topics: Some(topics.collect()), next_token: page.next })
    }
}

/// AWS docs: *Amazon SNS API Reference > ListSubscriptions*.
impl Query<ListSubscriptions> for Sns {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListSubscriptionsInput,
    ) -> Answer<ListSubscriptions> {
        let listing = Listing::of(&LIST_SUBSCRIPTIONS, call, &input, PAGE, PAGE);
        let listing = listing.map_err(|_| bad_token())?;
        let mut own: Vec<Arc<SubscriptionRow>> = snapshot
            .all::<SubscriptionRow>()
            .filter(|row| row.owner == call.account && row.key.topic.region == call.region)
            .collect();
        own.sort_by_key(|row| row.key.arn());
        let page = listing.page(own, |row| row.key.arn());
        let subscriptions = page.items.iter().map(|row| shown(row)).collect();
        Ok(ListSubscriptionsResponse { subscriptions: Some(subscriptions), next_token: page.next })
    }
}

/// AWS docs: *Amazon SNS API Reference > ListSubscriptionsByTopic*.
impl Query<ListSubscriptionsByTopic> for Sns {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListSubscriptionsByTopicInput,
    ) -> Answer<ListSubscriptionsByTopic> {
        let topic = find_topic(snapshot, &input.topic_arn)?;
        let listing = Listing::of(&LIST_SUBSCRIPTIONS_BY_TOPIC, call, &input, PAGE, PAGE);
        let listing = listing.map_err(|_| bad_token())?;
        let page = listing.page(of_topic(snapshot, &topic.key), |row| row.key.id.clone());
        let subscriptions = page.items.iter().map(|row| shown(row)).collect();
        Ok(ListSubscriptionsByTopicResponse {
            subscriptions: Some(subscriptions),
            next_token: page.next,
        })
    }
}

fn shown(row: &SubscriptionRow) -> Subscription {
    let arn = match row.is_pending() {
        true => "PendingConfirmation".to_owned(),
        false => row.key.arn(),
    };
    Subscription {
        subscription_arn: Some(arn),
        owner: Some(row.owner.to_string()),
        protocol: Some(row.protocol.clone()),
        endpoint: Some(row.endpoint.clone()),
        topic_arn: Some(row.key.topic.arn()),
    }
}
