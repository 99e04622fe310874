//! Topics and their attributes.

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_kernel::{Answer, Call, Command, Flow, Query, unwritten};
use haar_ledger::{Snapshot, Tx};
use haar_sns_contract::{
    CreateTopic, CreateTopicInput, CreateTopicResponse, DeleteTopic, DeleteTopicInput,
    DeleteTopicOutput, GetDataProtectionPolicy, GetDataProtectionPolicyInput,
    GetDataProtectionPolicyResponse, GetTopicAttributes, GetTopicAttributesInput,
    GetTopicAttributesResponse, InvalidStateException, PutDataProtectionPolicy,
    PutDataProtectionPolicyInput, PutDataProtectionPolicyOutput, SetTopicAttributes,
    SetTopicAttributesInput, SetTopicAttributesOutput, TopicLimitExceededException,
};
use haar_wire::AwsError;

use super::tags::read_tags;
use crate::Sns;
use crate::lookup::{find_topic, topic_key};
use crate::refusal::{broken, invalid};
use crate::rules::topic::{Settings, check_name};
use crate::state::{ReplayStatus, SubscriptionRow, TopicKey, TopicRow, of_topic};

/// FIFO topics of an account in a region. AWS docs: *Amazon SNS endpoints and quotas*.
const FIFO_TOPICS_MAX: usize = 1000;

/// AWS docs: *Amazon SNS API Reference > CreateTopic*.
impl Command<CreateTopic> for Sns {
    fn command(&self, call: &Call, tx: &mut Tx, input: CreateTopicInput) -> Answer<CreateTopic> {
        let given = input.attributes.unwrap_or_default();
        let is_fifo = given.get("FifoTopic").is_some_and(|it| it.eq_ignore_ascii_case("true"));
        check_name(&input.name, is_fifo)?;
        let mut settings = Settings { is_fifo, ..Settings::default() };
        for (name, value) in &given {
            settings.set(name, value)?;
        }
        let key = TopicKey {
            account: call.account.clone(),
            region: call.region.clone(),
            name: input.name,
        };
        let tags = read_tags(input.tags.unwrap_or_default())?;
        let topic_arn = Some(key.arn());
        if let Some(row) = tx.get::<TopicRow>(&key) {
            if differs(&row.settings, &settings, &given, &key) {
                return Err(invalid(
                    "Attributes Reason: Topic already exists with different attributes",
                ));
            }
            if !tags.is_empty() && tags != row.tags {
                return Err(invalid("Tags Reason: Topic already exists with different tags"));
            }
            return Ok(CreateTopicResponse { topic_arn });
        }
        if is_fifo {
            check_fifo_count(tx, &key)?;
        }
        let archived_since = settings.archive.is_some().then_some(call.now);
        tx.put(TopicRow {
            key,
            id: call.ids.draw(),
            settings,
            tags,
            data_protection: input.data_protection_policy.filter(|text| !text.is_empty()),
            archived_since,
            unsubscribed_count: 0,
        });
        Ok(CreateTopicResponse { topic_arn })
    }
}

/// *Ours*: the words.
fn check_fifo_count(tx: &Tx, new: &TopicKey) -> Result<(), AwsError> {
    let first = TopicKey { name: String::new(), ..new.clone() };
    let is_theirs =
        |row: &Arc<TopicRow>| row.key.account == new.account && row.key.region == new.region;
    let topics = tx.range::<TopicRow>(first..).take_while(is_theirs);
    let is_full = tx.len::<TopicRow>() >= FIFO_TOPICS_MAX // seldom
        && topics.filter(|row| row.settings.is_fifo).count() >= FIFO_TOPICS_MAX;
    match is_full {
        false => Ok(()),
        true => Err(TopicLimitExceededException::message("Topic limit exceeded").into()),
    }
}

fn differs(
    there: &Settings,
    asked: &Settings,
    given: &BTreeMap<String, String>,
    key: &TopicKey,
) -> bool {
    let shown = |settings: &Settings| settings.shown(&key.arn(), key.account.as_str());
    let (there, asked) = (shown(there), shown(asked));
    given.keys().any(|name| there.get(name) != asked.get(name))
}

/// AWS docs: *Amazon SNS API Reference > DeleteTopic*. A topic that is not there is no error.
impl Command<DeleteTopic> for Sns {
    fn command(&self, _call: &Call, tx: &mut Tx, input: DeleteTopicInput) -> Answer<DeleteTopic> {
        let key = topic_key(&input.topic_arn, "TopicArn")?;
        if tx.get::<TopicRow>(&key).is_some_and(|row| row.archived_since.is_some()) {
            let text = "The topic has an active message archive policy. Deactivate it before you \
                        delete the topic."; // *Ours*: the words
            return Err(InvalidStateException::message(text).into());
        }
        let subscriptions: Vec<_> = of_topic(tx, &key).map(|row| row.key.clone()).collect();
        subscriptions.iter().for_each(|key| _ = tx.remove::<SubscriptionRow>(key));
        tx.remove::<TopicRow>(&key);
        Ok(DeleteTopicOutput {})
    }
}

/// AWS docs: *Amazon SNS API Reference > GetTopicAttributes*.
impl Query<GetTopicAttributes> for Sns {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetTopicAttributesInput,
    ) -> Answer<GetTopicAttributes> {
        let row = find_topic(snapshot, &input.topic_arn)?;
        let mut attributes = row.settings.shown(&row.key.arn(), row.key.account.as_str());
        let (mut confirmed, mut pending) = (0, 0);
        for subscription in of_topic(snapshot, &row.key) {
            *(if subscription.is_pending() { &mut pending } else { &mut confirmed }) += 1;
        }
        let counts = [
            ("SubscriptionsConfirmed", confirmed),
            ("SubscriptionsPending", pending),
            ("SubscriptionsDeleted", row.unsubscribed_count),
        ];
        let begins = row.archive_begins(call.now).map(|at| at.iso_millis());
        attributes.extend(begins.map(|at| ("BeginningArchiveTime".to_owned(), at)));
        attributes.extend(counts.map(|(name, count)| (name.to_owned(), count.to_string())));
        Ok(GetTopicAttributesResponse { attributes: Some(attributes) })
    }
}

/// AWS docs: *Amazon SNS API Reference > SetTopicAttributes*. An archive that is not wanted any more
/// is emptied, and what is replayed of it fails.
impl Flow<SetTopicAttributes> for Sns {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: SetTopicAttributesInput,
    ) -> Answer<SetTopicAttributes> {
        let (name, value) = (&input.attribute_name, input.attribute_value.unwrap_or_default());
        let committed = self.doors.ledger.transact(|tx| {
            let mut row = TopicRow::clone(&*find_topic(tx, &input.topic_arn)?);
            if name == "FifoTopic" {
                return Err(invalid("AttributeName"));
            }
            row.settings.set(name, &value)?;
            let had_archive = row.archived_since.is_some();
            row.archived_since = match row.settings.archive.is_some() {
                true => row.archived_since.or(Some(call.now)),
                false => None,
            };
            let loses_archive = had_archive && row.archived_since.is_none();
            if loses_archive {
                fail_replays(tx, &row.key);
            }
            let id = row.id;
            tx.put(row);
            Ok::<_, AwsError>(loses_archive.then_some(id))
        })?;
        let emptied = committed.durable().await.map_err(unwritten)?;
        if let Some(topic) = emptied {
            self.archive.clear(topic).await.map_err(broken)?;
        }
        Ok(SetTopicAttributesOutput {})
    }
}

fn fail_replays(tx: &mut Tx, topic: &TopicKey) {
    let under_way = of_topic(tx, topic)
        .filter(|row| row.replay.as_ref().is_some_and(|replay| !replay.is_over()));
    let under_way: Vec<_> = under_way.map(|row| row.key.clone()).collect();
    for key in under_way {
        tx.update::<SubscriptionRow>(&key, |row| {
            if let Some(replay) = &mut row.replay {
                replay.status = ReplayStatus::Failed;
            }
        });
    }
}

/// AWS docs: *Amazon SNS API Reference > PutDataProtectionPolicy*. The policy is kept and shown;
/// haar looks for no sensitive data.
impl Command<PutDataProtectionPolicy> for Sns {
    fn command(
        &self,
        _call: &Call,
        tx: &mut Tx,
        input: PutDataProtectionPolicyInput,
    ) -> Answer<PutDataProtectionPolicy> {
        let mut row = TopicRow::clone(&*find_topic(tx, &input.resource_arn)?);
        let policy = Some(input.data_protection_policy).filter(|text| !text.is_empty());
        let is_json = |text: &String| {
            serde_json::from_str::<serde_json::Value>(text).is_ok_and(|it| it.is_object())
        };
        if !policy.as_ref().is_none_or(is_json) {
            return Err(invalid("DataProtectionPolicy Reason: failed to parse JSON"));
        }
        row.data_protection = policy;
        tx.put(row);
        Ok(PutDataProtectionPolicyOutput {})
    }
}

/// AWS docs: *Amazon SNS API Reference > GetDataProtectionPolicy*.
impl Query<GetDataProtectionPolicy> for Sns {
    fn query(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        input: GetDataProtectionPolicyInput,
    ) -> Answer<GetDataProtectionPolicy> {
        let row = find_topic(snapshot, &input.resource_arn)?;
        let data_protection_policy = Some(row.data_protection.clone().unwrap_or_default());
        Ok(GetDataProtectionPolicyResponse { data_protection_policy })
    }
}
