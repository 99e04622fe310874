//! Topics through a kernel, on simulated time.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use haar_kernel::targets::Undelivered;
use haar_sns_contract::*;
use haar_sqs_contract::SendMessageRequest;
use haar_wire::AwsError;
use house::House;
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

fn arn(name: &str) -> String {
    format!("arn:aws:sns:us-east-1:000000000000:{name}")
}

fn queue(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}")
}

async fn topic(house: &House, name: &str, attributes: Value) -> String {
    let input = json!({ "Name": name, "Attributes": attributes });
    house.ok::<CreateTopic>(input).await["TopicArn"].as_str().unwrap().to_owned()
}

async fn subscribe(house: &House, name: &str, endpoint: &str, attributes: Value) -> String {
    let input = json!({
        "TopicArn": arn(name), "Protocol": "sqs", "Endpoint": queue(endpoint),
        "Attributes": attributes,
    });
    house.ok::<Subscribe>(input).await["SubscriptionArn"].as_str().unwrap().to_owned()
}

async fn publish(house: &House, name: &str, message: &str) -> Value {
    house.ok::<Publish>(json!({ "TopicArn": arn(name), "Message": message })).await
}

fn bodies(sent: &[SendMessageRequest]) -> Vec<&str> {
    sent.iter().map(|input| input.message_body.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_message_goes_to_each_subscription_wrapped_or_raw() {
    let house = House::new();
    topic(&house, "t", json!({})).await;
    subscribe(&house, "t", "wrapped", json!({})).await;
    subscribe(&house, "t", "raw", json!({ "RawMessageDelivery": "true" })).await;
    let input = json!({
        "TopicArn": arn("t"), "Message": "hello", "Subject": "hi",
        "MessageAttributes": { "n": { "DataType": "Number", "StringValue": "7" } },
    });
    let published = house.ok::<Publish>(input).await;
    house.pass(SECOND).await;
    let mut sent = house.queues.sent.lock().clone();
    sent.sort_by_key(|input| input.queue_url.clone());
    let [raw, wrapped] = sent.as_slice() else { panic!("two deliveries: {sent:?}") };
    assert_eq!((raw.queue_url.as_str(), raw.message_body.as_str()), ("/000000000000/raw", "hello"));
    assert_eq!(raw.message_attributes.as_ref().unwrap()["n"].data_type, "Number");
    let document: Value = serde_json::from_str(&wrapped.message_body).unwrap();
    assert_eq!(document["MessageId"], published["MessageId"]);
    assert_eq!((&document["Message"], &document["Subject"]), (&json!("hello"), &json!("hi")));
    assert_eq!(document["MessageAttributes"]["n"], json!({ "Type": "Number", "Value": "7" }));
    assert!(wrapped.message_attributes.is_none());
}

#[tokio::test(start_paused = true)]
async fn subscriptions_get_what_their_filters_let_through() {
    let house = House::new();
    topic(&house, "t", json!({})).await;
    let raw = json!({ "RawMessageDelivery": "true", "FilterPolicy": r#"{"kind":["a"]}"# });
    let subscription = subscribe(&house, "t", "q", raw).await;
    let send = |kind: &str, body: &str| {
        json!({
            "TopicArn": arn("t"), "Message": body,
            "MessageAttributes": { "kind": { "DataType": "String", "StringValue": kind } },
        })
    };
    house.ok::<Publish>(send("a", "1")).await;
    house.ok::<Publish>(send("b", "2")).await;
    let by_body = |name: &str, value: &str| json!({ "SubscriptionArn": subscription, "AttributeName": name, "AttributeValue": value });
    let scope = by_body("FilterPolicyScope", "MessageBody");
    house.ok::<SetSubscriptionAttributes>(scope).await;
    house.ok::<Publish>(send("a", "3")).await;
    house.ok::<Publish>(send("b", r#"{"kind":"a"}"#)).await;
    house.pass(SECOND).await;
    let sent = house.queues.sent.lock().clone();
    assert_eq!(bodies(&sent), ["1", r#"{"kind":"a"}"#]);
    let bad = json!({
        "TopicArn": arn("t"), "Protocol": "sqs", "Endpoint": queue("other"),
        "Attributes": { "FilterPolicy": "{" },
    });
    let (code, text) = house.call::<Subscribe>(bad).await.unwrap_err();
    assert_eq!(code, "InvalidParameter");
    assert!(text.starts_with("Invalid parameter: Attributes Reason: FilterPolicy: "), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_fails_is_tried_again_also_by_the_next_process() {
    let house = House::new();
    topic(&house, "t", json!({})).await;
    subscribe(&house, "t", "q", json!({ "RawMessageDelivery": "true" })).await;
    let failures = (0..6).map(|_| AwsError::internal_failure("not now"));
    *house.queues.failures.lock() = failures.collect();
    publish(&house, "t", "x").await;
    house.pass(Duration::from_millis(1500)).await;
    assert!(house.queues.sent.lock().is_empty());
    let house = house.again();
    house.pass(60 * SECOND).await;
    let sent = house.queues.sent.lock().clone();
    assert_eq!(bodies(&sent), ["x"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_queue_refuses_for_good_goes_to_the_dead_letters() {
    let house = House::new();
    topic(&house, "t", json!({})).await;
    let dead = json!({ "deadLetterTargetArn": queue("dead") }).to_string();
    let attributes = json!({ "RawMessageDelivery": "true", "RedrivePolicy": dead });
    subscribe(&house, "t", "q", attributes).await;
    let gone = AwsError::new("QueueDoesNotExist", 400, "The specified queue does not exist.");
    house.queues.failures.lock().push(gone);
    publish(&house, "t", "x").await;
    house.pass(SECOND).await;
    assert!(house.queues.sent.lock().is_empty());
    let letters = house.others.0.lock().clone();
    let letter = letters.first().unwrap();
    assert_eq!((letter.arn.as_str(), &letter.body[..]), (queue("dead").as_str(), &b"x"[..]));
    assert!(letter.attributes.contains(&("ErrorCode".to_owned(), "QueueDoesNotExist".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_its_queue_refuses_for_the_moment_is_not_lost() {
    let house = House::new();
    topic(&house, "t", json!({})).await;
    let dead = json!({ "deadLetterTargetArn": queue("dead") }).to_string();
    subscribe(&house, "t", "q", json!({ "RedrivePolicy": dead })).await;
    let gone = AwsError::new("QueueDoesNotExist", 400, "The specified queue does not exist.");
    house.queues.failures.lock().push(gone);
    let full = Undelivered {
        code: "ServiceUnavailable".to_owned(),
        message: "the disk is full".to_owned(),
        is_transient: true,
    };
    house.others.1.lock().extend([full.clone(), full]);
    publish(&house, "t", "x").await;
    house.pass(60 * SECOND).await;
    let letters: Vec<String> = house.others.0.lock().iter().map(|it| it.arn.clone()).collect();
    assert_eq!(letters, [queue("dead")]);
    let code = ("ErrorCode".to_owned(), "QueueDoesNotExist".to_owned());
    assert!(house.others.0.lock()[0].attributes.contains(&code));
    assert!(house.queues.sent.lock().is_empty(), "an endpoint gets nothing for a dead letter");
}

#[tokio::test(start_paused = true)]
async fn a_fifo_topic_keeps_each_groups_order_while_it_tries_again() {
    let house = House::new();
    let attributes = json!({ "FifoTopic": "true", "ContentBasedDeduplication": "true" });
    topic(&house, "t.fifo", attributes).await;
    subscribe(&house, "t.fifo", "q.fifo", json!({ "RawMessageDelivery": "true" })).await;
    let failures = (0..3).map(|_| AwsError::internal_failure("not now"));
    *house.queues.failures.lock() = failures.collect();
    let mut numbers = Vec::new();
    for number in 0..5 {
        let input = json!({
            "TopicArn": arn("t.fifo"), "Message": number.to_string(), "MessageGroupId": "g",
        });
        let published = house.ok::<Publish>(input.clone()).await;
        assert_eq!(house.ok::<Publish>(input).await, published, "the same content again");
        numbers.push(published["SequenceNumber"].as_str().unwrap().parse::<u64>().unwrap());
    }
    assert!(numbers.is_sorted());
    house.pass(60 * SECOND).await;
    let sent = house.queues.sent.lock().clone();
    assert_eq!(bodies(&sent), ["0", "1", "2", "3", "4"]);
    assert_eq!(sent[0].message_group_id.as_deref(), Some("g"));
    assert!(sent[0].message_deduplication_id.is_some());
    let house = house.again();
    let again = json!({ "TopicArn": arn("t.fifo"), "Message": "4", "MessageGroupId": "g" });
    let number = house.ok::<Publish>(again.clone()).await["SequenceNumber"].clone();
    assert_eq!(number, numbers[4].to_string(), "remembered by the next process");
    house.pass(300 * SECOND).await;
    assert_ne!(house.ok::<Publish>(again).await["SequenceNumber"], number);
    let fresh = json!({ "TopicArn": arn("t.fifo"), "Message": "x" });
    let (_, text) = house.call::<Publish>(fresh).await.unwrap_err();
    assert!(text.contains("The MessageGroupId parameter is required"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn functions_get_an_event_and_people_what_the_outbox_shows() {
    let house = House::new();
    topic(&house, "t", json!({})).await;
    let function = "arn:aws:lambda:us-east-1:000000000000:function:f";
    for (protocol, endpoint) in
        [("lambda", function), ("sms", "+491234567"), ("email", "me@example.com")]
    {
        let input = json!({ "TopicArn": arn("t"), "Protocol": protocol, "Endpoint": endpoint });
        let answer = house.ok::<Subscribe>(input).await;
        let pending = answer["SubscriptionArn"] == "pending confirmation";
        assert_eq!(pending, protocol == "email");
    }
    publish(&house, "t", "hello").await;
    house.pass(SECOND).await;
    let event = house.others.0.lock()[0].clone();
    assert_eq!(event.arn, function);
    let event: Value = serde_json::from_slice(&event.body).unwrap();
    assert_eq!(event["Records"][0]["Sns"]["Message"], "hello");
    assert_eq!(event["Records"][0]["EventSource"], "aws:sns");
    let outbox = house.room.outbox(10).unwrap();
    let kinds: Vec<_> =
        outbox.iter().map(|it| (it["protocol"].as_str(), it["type"].as_str())).collect();
    assert_eq!(kinds.len(), 2, "{outbox:?}");
    assert!(kinds.contains(&(Some("sms"), Some("Notification"))));
    assert!(kinds.contains(&(Some("email"), Some("SubscriptionConfirmation"))));

    let asked = outbox.iter().find(|it| it["protocol"] == "email").unwrap();
    let document: Value = serde_json::from_str(asked["body"].as_str().unwrap()).unwrap();
    let wrong = json!({ "TopicArn": arn("t"), "Token": "wrong" });
    let (code, text) = house.call::<ConfirmSubscription>(wrong).await.unwrap_err();
    assert_eq!((code.as_str(), text.as_str()), ("InvalidParameter", "Invalid parameter: Token"));
    let confirm = json!({ "TopicArn": arn("t"), "Token": document["Token"] });
    house.ok::<ConfirmSubscription>(confirm).await;
    publish(&house, "t", "again").await;
    house.pass(SECOND).await;
    let newest = house.room.outbox(2).unwrap();
    assert!(newest.iter().any(|it| it["protocol"] == "email" && it["body"] == "again"));
    let attributes = house.ok::<GetTopicAttributes>(json!({ "TopicArn": arn("t") })).await;
    assert_eq!(attributes["Attributes"]["SubscriptionsConfirmed"], "3");
}

#[tokio::test(start_paused = true)]
async fn topics_and_subscriptions_are_made_once_and_listed() {
    let house = House::new();
    assert_eq!(topic(&house, "t", json!({ "DisplayName": "me" })).await, arn("t"));
    assert_eq!(topic(&house, "t", json!({})).await, arn("t"));
    let other = json!({ "Name": "t", "Attributes": { "DisplayName": "you" } });
    let (_, text) = house.call::<CreateTopic>(other).await.unwrap_err();
    assert!(text.ends_with("Topic already exists with different attributes"), "{text}");
    let first = subscribe(&house, "t", "q", json!({})).await;
    assert_eq!(subscribe(&house, "t", "q", json!({})).await, first);
    let listed = house.ok::<ListSubscriptionsByTopic>(json!({ "TopicArn": arn("t") })).await;
    assert_eq!(listed["Subscriptions"][0]["SubscriptionArn"], first.as_str());
    house.ok::<Unsubscribe>(json!({ "SubscriptionArn": first })).await;
    let attributes = house.ok::<GetTopicAttributes>(json!({ "TopicArn": arn("t") })).await;
    assert_eq!(attributes["Attributes"]["SubscriptionsDeleted"], "1");
    for number in 0..101 {
        topic(&house, &format!("many-{number}"), json!({})).await;
    }
    let page = house.ok::<ListTopics>(json!({})).await;
    assert_eq!(page["Topics"].as_array().unwrap().len(), 100);
    let rest = house.ok::<ListTopics>(json!({ "NextToken": page["NextToken"] })).await;
    assert_eq!(rest["Topics"].as_array().unwrap().len(), 2);
    let junk = json!({ "NextToken": "junk" });
    let bad = ("InvalidParameter".to_owned(), "Invalid parameter: NextToken".to_owned());
    assert_eq!(house.call::<ListTopics>(junk.clone()).await.unwrap_err(), bad);
    assert_eq!(house.call::<ListOriginationNumbers>(junk).await.unwrap_err(), bad);
    house.ok::<DeleteTopic>(json!({ "TopicArn": arn("t") })).await;
    let gone = json!({ "TopicArn": arn("t"), "Message": "x" });
    let (code, text) = house.call::<Publish>(gone).await.unwrap_err();
    assert_eq!((code.as_str(), text.as_str()), ("NotFound", "Topic does not exist"));
}

#[tokio::test(start_paused = true)]
async fn of_topics_that_keep_order_and_of_their_subscriptions_there_are_so_many() {
    let house = House::new();
    let fifo = json!({ "FifoTopic": "true" });
    for number in 0..1000 {
        topic(&house, &format!("{number}.fifo"), fifo.clone()).await;
    }
    let more = json!({ "Name": "more.fifo", "Attributes": fifo });
    assert_eq!(house.call::<CreateTopic>(more).await.unwrap_err().0, "TopicLimitExceeded");
    topic(&house, "0.fifo", fifo).await; // is there
    topic(&house, "plain", json!({})).await;
    for number in 0..100 {
        subscribe(&house, "0.fifo", &format!("{number}.fifo"), json!({})).await;
    }
    let more = |name| json!({ "TopicArn": arn(name), "Protocol": "sqs", "Endpoint": queue("q") });
    let (code, _) = house.call::<Subscribe>(more("0.fifo")).await.unwrap_err();
    assert_eq!(code, "SubscriptionLimitExceeded");
    subscribe(&house, "0.fifo", "0.fifo", json!({})).await; // is there
    house.ok::<Subscribe>(more("1.fifo")).await;
}

#[tokio::test(start_paused = true)]
async fn batches_fail_in_part() {
    let house = House::new();
    topic(&house, "t", json!({})).await;
    subscribe(&house, "t", "q", json!({ "RawMessageDelivery": "true" })).await;
    let input = json!({
        "TopicArn": arn("t"),
        "PublishBatchRequestEntries": [{ "Id": "a", "Message": "1" }, { "Id": "b", "Message": "" }],
    });
    let answer = house.ok::<PublishBatch>(input).await;
    assert_eq!(answer["Successful"][0]["Id"], "a");
    assert_eq!(answer["Failed"][0]["Code"], "InvalidParameter");
    house.pass(SECOND).await;
    assert_eq!(bodies(&house.queues.sent.lock()), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn devices_and_phones_have_an_outbox_and_may_want_nothing() {
    let house = House::new();
    let application = json!({
        "Name": "app", "Platform": "GCM", "Attributes": { "PlatformCredential": "secret" },
    });
    let application = house.ok::<CreatePlatformApplication>(application).await;
    let application = &application["PlatformApplicationArn"];
    let device = json!({ "PlatformApplicationArn": application, "Token": "device" });
    let device = house.ok::<CreatePlatformEndpoint>(device).await["EndpointArn"].clone();
    let message = json!({
        "TargetArn": device, "MessageStructure": "json",
        "Message": r#"{"default":"d","GCM":"for android"}"#,
    });
    house.ok::<Publish>(message.clone()).await;
    house.ok::<Publish>(json!({ "PhoneNumber": "+491234567", "Message": "sms" })).await;
    house.pass(SECOND).await;
    let mut all: Vec<String> = house
        .room
        .outbox(10)
        .unwrap()
        .iter()
        .map(|it| it["body"].as_str().unwrap().to_owned())
        .collect();
    all.sort();
    assert_eq!(all, ["for android", "sms"]);
    let off = json!({ "EndpointArn": device, "Attributes": { "Enabled": "false" } });
    house.ok::<SetEndpointAttributes>(off).await;
    assert_eq!(house.call::<Publish>(message).await.unwrap_err().0, "EndpointDisabled");
    let shown = json!({ "PlatformApplicationArn": application });
    let shown = house.ok::<GetPlatformApplicationAttributes>(shown).await;
    assert_eq!(shown["Attributes"], json!({ "Enabled": "true" }));

    let number = json!({ "phoneNumber": "+491234567" });
    let (account, region) = (Default::default(), Default::default());
    house.room.stop_sms(&account, &region, "+491234567").await.unwrap();
    let checked = house.ok::<CheckIfPhoneNumberIsOptedOut>(number.clone()).await;
    assert_eq!(checked["isOptedOut"], true);
    house.ok::<Publish>(json!({ "PhoneNumber": "+491234567", "Message": "no" })).await;
    house.pass(SECOND).await;
    assert_eq!(house.room.outbox(10).unwrap().len(), 2);
    house.ok::<OptInPhoneNumber>(number.clone()).await;
    let checked = house.ok::<CheckIfPhoneNumberIsOptedOut>(number).await;
    assert_eq!(checked["isOptedOut"], false);
}

#[tokio::test(start_paused = true)]
async fn the_outbox_keeps_the_newest_and_lets_the_oldest_go() {
    let house = House::new();
    topic(&house, "t", json!({})).await;
    for number in 0..100 {
        let endpoint = format!("+4912345{number:03}");
        let input = json!({ "TopicArn": arn("t"), "Protocol": "sms", "Endpoint": endpoint });
        house.ok::<Subscribe>(input).await;
    }
    for number in 0..102 {
        publish(&house, "t", &number.to_string()).await;
        house.pass(SECOND).await;
    }
    let kept = house.room.outbox(20_000).unwrap();
    assert_eq!(kept.len(), 10_000);
    assert_eq!((&kept[0]["body"], &kept[9_999]["body"]), (&json!("101"), &json!("2")));

    // Begun anew, it knows how much there is; of messages without a note of it too.
    let house = house.again();
    publish(&house, "t", "102").await;
    house.pass(SECOND).await;
    assert_eq!(house.room.outbox(20_000).unwrap().len(), 10_000);
    house.doors.kv.keyspace("sns.outbox_size").unwrap().remove("all").unwrap();
    let house = house.again();
    let large = "a".repeat(250_000);
    for _ in 0..3 {
        publish(&house, "t", &large).await;
        house.pass(SECOND).await;
    }
    let kept = house.room.outbox(20_000).unwrap();
    let bytes: usize = kept.iter().map(|one| one.to_string().len()).sum();
    assert!(bytes <= 64 << 20, "{bytes}");
    assert!(kept.len() > 250 && kept.iter().all(|one| one["body"] == large), "{}", kept.len());
}
