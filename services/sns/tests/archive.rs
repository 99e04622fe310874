//! Archives of FIFO topics and what is replayed of them, on simulated time.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use haar_sns_contract::*;
use house::{BEGIN, House};
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);
const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:t.fifo";

async fn house() -> House {
    let house = House::new();
    let attributes = json!({
        "FifoTopic": "true",
        "ContentBasedDeduplication": "true",
        "ArchivePolicy": r#"{"MessageRetentionPeriod":"7"}"#,
    });
    house.ok::<CreateTopic>(json!({ "Name": "t.fifo", "Attributes": attributes })).await;
    house
}

async fn publish(house: &House, text: &str) {
    let input = json!({ "TopicArn": TOPIC, "Message": text, "MessageGroupId": "g" });
    house.ok::<Publish>(input).await;
}

fn from_begin(end: Option<&str>) -> String {
    let mut policy = json!({ "PointType": "Timestamp", "StartingPoint": BEGIN.iso_millis() });
    if let Some(end) = end {
        policy["EndingPoint"] = json!(end);
    }
    policy.to_string()
}

async fn subscribe(house: &House, attributes: Value) -> Result<String, house::Refused> {
    let input = json!({
        "TopicArn": TOPIC, "Protocol": "sqs",
        "Endpoint": "arn:aws:sqs:us-east-1:000000000000:q.fifo", "Attributes": attributes,
    });
    let output = house.call::<Subscribe>(input).await?;
    Ok(output["SubscriptionArn"].as_str().unwrap().to_owned())
}

/// What the queue got: messages' texts, those out of the archive with a mark.
fn texts(house: &House) -> Vec<String> {
    let sent = house.queues.sent.lock();
    let documents = sent.iter().map(|sent| serde_json::from_str(&sent.message_body).unwrap());
    let text = |document: Value| {
        let mark = if document["Replayed"] == true { "again " } else { "" };
        format!("{mark}{}", document["Message"].as_str().unwrap())
    };
    documents.map(text).collect()
}

async fn status(house: &House, subscription: &str) -> Value {
    let input = json!({ "SubscriptionArn": subscription });
    house.ok::<GetSubscriptionAttributes>(input).await["Attributes"]["ReplayStatus"].clone()
}

async fn set_replay(house: &House, subscription: &str, policy: &str) {
    let input = json!({ "SubscriptionArn": subscription, "AttributeName": "ReplayPolicy",
                        "AttributeValue": policy });
    house.ok::<SetSubscriptionAttributes>(input).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_subscriber_gets_what_was_published_and_then_what_is() {
    let house = house().await;
    for text in ["one", "two"] {
        publish(&house, text).await;
    }
    let wanted = json!({ "ReplayPolicy": from_begin(None) });
    let subscription = subscribe(&house, wanted).await.unwrap();
    house.pass(SECOND).await;
    assert_eq!(status(&house, &subscription).await, "Completed");
    publish(&house, "three").await;
    house.pass(SECOND).await;
    assert_eq!(texts(&house), ["again one", "again two", "three"]);

    house.queues.sent.lock().clear();
    set_replay(&house, &subscription, &from_begin(None)).await;
    publish(&house, "four").await; // comes out of the archive, or behind it
    house.pass(SECOND).await;
    let again = texts(&house);
    assert_eq!(again[..3], ["again one", "again two", "again three"]);
    assert!(again.len() == 4 && again[3].ends_with("four"), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn a_replay_with_an_end_is_the_last_that_its_subscription_gets() {
    let house = house().await;
    publish(&house, "one").await;
    house.pass(SECOND * 10).await;
    publish(&house, "two").await;
    let end = (BEGIN + SECOND * 5).iso_millis();
    let wanted = json!({ "ReplayPolicy": from_begin(Some(&end)) });
    let subscription = subscribe(&house, wanted).await.unwrap();
    house.pass(SECOND).await;
    publish(&house, "three").await;
    house.pass(SECOND).await;
    assert_eq!(texts(&house), ["again one"]);
    set_replay(&house, &subscription, "{}").await;
    assert!(status(&house, &subscription).await.is_null());
    publish(&house, "four").await;
    house.pass(SECOND).await;
    assert_eq!(texts(&house), ["again one", "four"]);
}

#[tokio::test(start_paused = true)]
async fn filters_choose_out_of_archives_and_old_messages_go() {
    let house = house().await;
    publish(&house, "old").await;
    house.pass(Duration::from_secs(8 * 24 * 3600)).await;
    for text in ["wanted", "other"] {
        let attribute = json!({ "DataType": "String", "StringValue": text });
        let input = json!({ "TopicArn": TOPIC, "Message": text, "MessageGroupId": "g",
                            "MessageAttributes": { "kind": attribute } });
        house.ok::<Publish>(input).await;
    }
    let attributes = house.ok::<GetTopicAttributes>(json!({ "TopicArn": TOPIC })).await;
    let begins = attributes["Attributes"]["BeginningArchiveTime"].as_str().unwrap().to_owned();
    let days = Duration::from_secs(24 * 3600);
    assert_eq!(begins, (BEGIN + days).iso_millis());
    let wanted = json!({ "ReplayPolicy": from_begin(None),
                         "FilterPolicy": r#"{"kind":["wanted"]}"# });
    subscribe(&house, wanted).await.unwrap();
    house.pass(SECOND).await;
    assert_eq!(texts(&house), ["again wanted"]);
    assert_eq!(house.doors.kv.keyspace("sns.archive").unwrap().all().count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_topic_with_an_archive_stays_and_one_without_replays_nothing() {
    let house = house().await;
    publish(&house, "one").await;
    let refused = house.call::<DeleteTopic>(json!({ "TopicArn": TOPIC })).await.unwrap_err();
    assert_eq!(refused.0, "InvalidState");
    let off =
        json!({ "TopicArn": TOPIC, "AttributeName": "ArchivePolicy", "AttributeValue": "{}" });
    house.ok::<SetTopicAttributes>(off).await;
    assert_eq!(house.doors.kv.keyspace("sns.archive").unwrap().all().count(), 0);
    let refused = subscribe(&house, json!({ "ReplayPolicy": from_begin(None) })).await;
    assert_eq!(refused.unwrap_err().0, "InvalidParameter");
    house.ok::<DeleteTopic>(json!({ "TopicArn": TOPIC })).await;
}

#[tokio::test(start_paused = true)]
async fn a_replay_outlives_the_process() {
    let house = house().await;
    for count in 0..250 {
        publish(&house, &count.to_string()).await;
    }
    subscribe(&house, json!({ "ReplayPolicy": from_begin(None) })).await.unwrap();
    let house = house.again(); // before anything was carried
    house.pass(SECOND * 60).await;
    let mut all = texts(&house);
    all.dedup();
    let expected: Vec<_> = (0..250).map(|count| format!("again {count}")).collect();
    assert_eq!(all, expected);
}

#[tokio::test(start_paused = true)]
async fn numbers_of_the_sandbox_are_verified_by_what_the_outbox_shows() {
    let house = House::new();
    let number = "+491701234567";
    let named = json!({ "PhoneNumber": number });
    house.ok::<CreateSMSSandboxPhoneNumber>(named.clone()).await;
    house.pass(SECOND).await;
    let outbox = house.room.outbox(1).unwrap();
    let code = outbox[0]["body"].as_str().unwrap().split(' ').next().unwrap().to_owned();
    let wrong = json!({ "PhoneNumber": number, "OneTimePassword": "00000" });
    let refused = house.call::<VerifySMSSandboxPhoneNumber>(wrong).await.unwrap_err();
    assert_eq!(refused.0, "VerificationException");
    let right = json!({ "PhoneNumber": number, "OneTimePassword": code });
    house.ok::<VerifySMSSandboxPhoneNumber>(right).await;
    let listed = house.ok::<ListSMSSandboxPhoneNumbers>(json!({})).await;
    assert_eq!(listed["PhoneNumbers"], json!([{ "PhoneNumber": number, "Status": "Verified" }]));
    let refused = house.call::<DeleteSMSSandboxPhoneNumber>(named.clone()).await.unwrap_err();
    assert_eq!(refused.0, "UserError");
    house.pass(Duration::from_secs(24 * 3600)).await;
    house.ok::<DeleteSMSSandboxPhoneNumber>(named.clone()).await;
    let refused = house.call::<DeleteSMSSandboxPhoneNumber>(named).await.unwrap_err();
    assert_eq!(refused.0, "ResourceNotFound");
}
