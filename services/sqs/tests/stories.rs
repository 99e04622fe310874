//! Queues through a kernel, on simulated time.

#![allow(clippy::unwrap_used)]

mod house;

use std::sync::Arc;
use std::time::Duration;

use haar_kernel::Principal;
use haar_kernel::targets::{Consignment, Sender};
use haar_sqs_contract::*;
use haar_types::{AccountId, Region};
use house::{House, refused};
use serde_json::{Value, json};

const MINUTE: Duration = Duration::from_secs(60);

fn url(name: &str) -> String {
    format!("http://localhost:4566/000000000000/{name}")
}

fn arn(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}")
}

async fn create(house: &House, name: &str, attributes: Value) -> String {
    let input = json!({ "QueueName": name, "Attributes": attributes });
    house.ok::<CreateQueue>(input).await["QueueUrl"].as_str().unwrap().to_owned()
}

async fn send(house: &House, name: &str, body: &str) -> Value {
    house.ok::<SendMessage>(json!({ "QueueUrl": url(name), "MessageBody": body })).await
}

async fn send_in(house: &House, name: &str, group: &str, body: &str) -> Value {
    let input = json!({
        "QueueUrl": url(name), "MessageBody": body, "MessageGroupId": group,
        "MessageDeduplicationId": body,
    });
    house.ok::<SendMessage>(input).await
}

/// Messages that a receive gets, whole.
async fn receive(house: &House, name: &str, more: Value) -> Vec<Value> {
    let mut input = json!({
        "QueueUrl": url(name), "MaxNumberOfMessages": 10, "AttributeNames": ["All"],
    });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = house.ok::<ReceiveMessage>(input).await;
    answer["Messages"].as_array().cloned().unwrap_or_default()
}

fn bodies(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["Body"].as_str().unwrap()).collect()
}

async fn delete(house: &House, name: &str, message: &Value) {
    let handle = &message["ReceiptHandle"];
    house.ok::<DeleteMessage>(json!({ "QueueUrl": url(name), "ReceiptHandle": handle })).await;
}

async fn attribute(house: &House, name: &str, attribute: &str) -> String {
    let input = json!({ "QueueUrl": url(name), "AttributeNames": ["All"] });
    let answer = house.ok::<GetQueueAttributes>(input).await;
    answer["Attributes"][attribute].as_str().unwrap_or("none").to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_queue_has_fifty_tags_at_most() {
    let house = House::new();
    create(&house, "q", json!({})).await;
    let tags = |numbers: std::ops::Range<u32>| {
        let all = numbers.map(|number| (format!("k-{number}"), json!("v")));
        json!({ "QueueUrl": url("q"), "Tags": all.collect::<serde_json::Map<_, _>>() })
    };
    house.ok::<TagQueue>(tags(0..50)).await;
    house.ok::<TagQueue>(tags(0..1)).await;
    let refused = house.call::<TagQueue>(tags(50..51)).await.unwrap_err();
    assert_eq!(refused.1, "Too many tags added for queue q.");
}

#[tokio::test(start_paused = true)]
async fn a_message_comes_again_when_it_was_not_deleted_in_time() {
    let house = House::new();
    assert_eq!(create(&house, "q", json!({ "VisibilityTimeout": "40" })).await, url("q"));
    send(&house, "q", "a").await;
    let first = receive(&house, "q", json!({})).await;
    assert_eq!(first[0]["Attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(attribute(&house, "q", "ApproximateNumberOfMessagesNotVisible").await, "1");
    house.pass(Duration::from_secs(39)).await;
    assert!(receive(&house, "q", json!({})).await.is_empty());
    house.pass(Duration::from_secs(1)).await;
    let second = receive(&house, "q", json!({})).await;
    assert_eq!(second[0]["Attributes"]["ApproximateReceiveCount"], "2");
    let times = |message: &Value| message["Attributes"]["ApproximateFirstReceiveTimestamp"].clone();
    assert_eq!(times(&second[0]), times(&first[0]));
    // A handle of a delivery before the last deletes nothing, and is no error.
    delete(&house, "q", &first[0]).await;
    assert_eq!(attribute(&house, "q", "ApproximateNumberOfMessagesNotVisible").await, "1");
    delete(&house, "q", &second[0]).await;
    assert_eq!(attribute(&house, "q", "ApproximateNumberOfMessagesNotVisible").await, "0");
    delete(&house, "q", &second[0]).await;
}

#[tokio::test(start_paused = true)]
async fn a_waiting_receiver_wakes_when_a_message_is_due_and_not_before() {
    let house = House::new();
    create(&house, "q", json!({})).await;
    let start = house.doors.clock.now();
    let delayed = json!({ "QueueUrl": url("q"), "MessageBody": "late", "DelaySeconds": 7 });
    house.ok::<SendMessage>(delayed).await;
    assert_eq!(attribute(&house, "q", "ApproximateNumberOfMessagesDelayed").await, "1");
    let wait = json!({ "WaitTimeSeconds": 20, "VisibilityTimeout": 5 });
    assert_eq!(bodies(&receive(&house, "q", wait.clone()).await), ["late"]);
    assert_eq!(house.doors.clock.now(), start + Duration::from_secs(7));
    // Its next delivery begins as the last one ends.
    assert_eq!(bodies(&receive(&house, "q", wait.clone()).await), ["late"]);
    assert_eq!(house.doors.clock.now(), start + Duration::from_secs(12));
    let message = receive(&house, "q", wait.clone()).await;
    delete(&house, "q", &message[0]).await;
    let before = house.doors.clock.now();
    assert!(receive(&house, "q", wait).await.is_empty());
    assert_eq!(house.doors.clock.now(), before + Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn of_many_waiters_each_message_wakes_one_and_a_shorter_delivery_wakes_in_time() {
    let house = House::new();
    create(&house, "q", json!({})).await;
    let start = house.doors.clock.now();
    let one = || receive(&house, "q", json!({ "WaitTimeSeconds": 20, "MaxNumberOfMessages": 1 }));
    let sender = async {
        house.pass(Duration::from_secs(1)).await;
        send(&house, "q", "a").await;
        send(&house, "q", "b").await;
        house.pass(Duration::from_secs(1)).await;
        let late = json!({ "QueueUrl": url("q"), "MessageBody": "c", "DelaySeconds": 3 });
        house.ok::<SendMessage>(late).await;
        house.doors.clock.now()
    };
    let (first, second, third, _) = tokio::join!(one(), one(), one(), sender);
    let mut all = [bodies(&first), bodies(&second), bodies(&third)].concat();
    all.sort_unstable();
    assert_eq!(all, ["a", "b", "c"]);
    assert_eq!(house.doors.clock.now(), start + Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_consumer_may_keep_a_message_longer_or_give_it_back() {
    let house = House::new();
    create(&house, "q", json!({})).await;
    send(&house, "q", "a").await;
    let message = receive(&house, "q", json!({})).await.remove(0);
    let change = |seconds: i32| {
        json!({
            "QueueUrl": url("q"), "ReceiptHandle": message["ReceiptHandle"],
            "VisibilityTimeout": seconds,
        })
    };
    house.ok::<ChangeMessageVisibility>(change(300)).await;
    house.pass(4 * MINUTE).await;
    assert!(receive(&house, "q", json!({})).await.is_empty());
    house.ok::<ChangeMessageVisibility>(change(0)).await;
    assert_eq!(bodies(&receive(&house, "q", json!({})).await), ["a"]);
    let (code, text) = house.call::<ChangeMessageVisibility>(change(1)).await.unwrap_err();
    assert_eq!(code, "InvalidParameterValueException");
    let end = "Message does not exist or is not available for visibility timeout change.";
    assert!(text.ends_with(end), "{text}");
    assert!(house.call::<ChangeMessageVisibility>(change(43_201)).await.is_err());
    house.pass(MINUTE).await;
    let message = receive(&house, "q", json!({})).await.remove(0);
    house.pass(Duration::from_secs(1)).await;
    let longest = json!({
        "QueueUrl": url("q"), "ReceiptHandle": message["ReceiptHandle"],
        "VisibilityTimeout": 43_200,
    });
    let (_, text) = house.call::<ChangeMessageVisibility>(longest).await.unwrap_err();
    assert!(text.contains("is beyond the limit [43200 seconds]"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_flag_may_begin_with_a_capital_letter() {
    let house = House::new();
    let flags = json!({ "FifoQueue": "True", "ContentBasedDeduplication": "True" });
    create(&house, "f.fifo", flags).await;
    let asked = json!({ "QueueUrl": url("f.fifo"), "AttributeNames": ["All"] });
    let shown = &house.ok::<GetQueueAttributes>(asked).await["Attributes"];
    assert_eq!(
        (&shown["FifoQueue"], &shown["ContentBasedDeduplication"]),
        (&json!("true"), &json!("true"))
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_message_is_sent_once_in_five_minutes() {
    let house = House::new();
    create(&house, "f.fifo", json!({ "FifoQueue": "true" })).await;
    let first = send_in(&house, "f.fifo", "g", "x").await;
    let house = house.again().await;
    assert_eq!(send_in(&house, "f.fifo", "other", "x").await, first);
    assert_eq!(receive(&house, "f.fifo", json!({})).await.len(), 1);
    house.pass(5 * MINUTE).await;
    assert_ne!(send_in(&house, "f.fifo", "g", "x").await["MessageId"], first["MessageId"]);
    let per_group = json!({ "FifoQueue": "true", "DeduplicationScope": "messageGroup" });
    create(&house, "h.fifo", per_group).await;
    let one = send_in(&house, "h.fifo", "a", "x").await;
    let other = send_in(&house, "h.fifo", "b", "x").await;
    assert_ne!(one["MessageId"], other["MessageId"]);
    assert_eq!(send_in(&house, "h.fifo", "a", "x").await, one);
}

#[tokio::test(start_paused = true)]
async fn a_failed_receive_of_a_fifo_queue_can_be_asked_again() {
    let house = House::new();
    create(&house, "f.fifo", json!({ "FifoQueue": "true" })).await;
    for body in ["1", "2"] {
        send_in(&house, "f.fifo", "g", body).await;
    }
    let attempt = json!({ "ReceiveRequestAttemptId": "try" });
    let first = receive(&house, "f.fifo", attempt.clone()).await;
    assert_eq!(bodies(&first), ["1", "2"]);
    assert_eq!(receive(&house, "f.fifo", attempt.clone()).await, first);
    assert!(receive(&house, "f.fifo", json!({})).await.is_empty());
    delete(&house, "f.fifo", &first[0]).await;
    assert!(receive(&house, "f.fifo", attempt).await.is_empty());
    house.pass(MINUTE).await;
    let handle = json!({ "QueueUrl": url("f.fifo"), "ReceiptHandle": first[1]["ReceiptHandle"] });
    let (_, text) = house.call::<DeleteMessage>(handle).await.unwrap_err();
    assert!(text.ends_with("Reason: The receipt handle has expired."), "{text}");
}

#[tokio::test(start_paused = true)]
async fn dead_letters_go_where_the_queue_says_and_a_task_moves_them_back_at_its_rate() {
    let house = House::new();
    create(&house, "dead", json!({})).await;
    let policy = json!({ "deadLetterTargetArn": arn("dead"), "maxReceiveCount": 1 }).to_string();
    create(&house, "q", json!({ "VisibilityTimeout": "1", "RedrivePolicy": policy })).await;
    for number in 0..5 {
        send(&house, "q", &number.to_string()).await;
    }
    assert_eq!(receive(&house, "q", json!({})).await.len(), 5);
    house.pass(Duration::from_secs(2)).await;
    assert!(receive(&house, "q", json!({})).await.is_empty());
    let house = house.again().await;
    assert_eq!(attribute(&house, "dead", "ApproximateNumberOfMessages").await, "5");
    let task = json!({ "SourceArn": arn("dead"), "MaxNumberOfMessagesPerSecond": 2 });
    house.ok::<StartMessageMoveTask>(task.clone()).await;
    let (code, _) = house.call::<StartMessageMoveTask>(task).await.unwrap_err();
    assert_eq!(code, "UnsupportedOperation");
    house.pass(Duration::from_millis(1500)).await;
    assert_eq!(attribute(&house, "q", "ApproximateNumberOfMessages").await, "4");
    house.pass(Duration::from_secs(2)).await;
    let list = json!({ "SourceArn": arn("dead") });
    let tasks = house.ok::<ListMessageMoveTasks>(list).await;
    let task = &tasks["Results"][0];
    assert_eq!(
        (&task["Status"], &task["ApproximateNumberOfMessagesMoved"]),
        (&json!("COMPLETED"), &json!(5))
    );
    let back = receive(&house, "q", json!({})).await;
    assert_eq!(back.len(), 5);
    assert_eq!(back[0]["Attributes"]["ApproximateReceiveCount"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_move_task_can_be_cancelled() {
    let house = House::new();
    create(&house, "dead", json!({})).await;
    create(&house, "other", json!({})).await;
    let start = json!({
        "SourceArn": arn("dead"), "DestinationArn": arn("other"), "MaxNumberOfMessagesPerSecond": 1,
    });
    let (code, text) = house.call::<StartMessageMoveTask>(start.clone()).await.unwrap_err();
    assert_eq!(code, "InvalidParameterValueException");
    assert_eq!(text, "Source queue must be configured as a Dead Letter Queue.");
    let policy = json!({ "deadLetterTargetArn": arn("dead"), "maxReceiveCount": 1 }).to_string();
    create(&house, "q", json!({ "RedrivePolicy": policy })).await;
    for _ in 0..3 {
        send(&house, "dead", "x").await;
    }
    let handle = house.ok::<StartMessageMoveTask>(start).await["TaskHandle"].clone();
    house.pass(Duration::from_millis(500)).await;
    let cancelled = house.ok::<CancelMessageMoveTask>(json!({ "TaskHandle": handle })).await;
    assert_eq!(cancelled["ApproximateNumberOfMessagesMoved"], 1);
    house.pass(MINUTE).await;
    assert_eq!(attribute(&house, "dead", "ApproximateNumberOfMessages").await, "2");
    let tasks = house.ok::<ListMessageMoveTasks>(json!({ "SourceArn": arn("dead") })).await;
    assert_eq!(tasks["Results"][0]["Status"], "CANCELLED");
}

#[tokio::test(start_paused = true)]
async fn messages_past_their_retention_are_gone() {
    let house = House::new();
    create(&house, "q", json!({ "MessageRetentionPeriod": "60" })).await;
    send(&house, "q", "old").await;
    house.pass(MINUTE / 2).await;
    send(&house, "q", "young").await;
    house.pass(MINUTE / 2 + Duration::from_millis(10)).await;
    let left = house.doors.kv.keyspace("sqs.content").unwrap().all().count();
    assert_eq!(left, 1, "removed from disk without anybody asking");
    assert_eq!(bodies(&receive(&house, "q", json!({})).await), ["young"]);
    let longer =
        json!({ "QueueUrl": url("q"), "Attributes": { "MessageRetentionPeriod": "3600" } });
    house.ok::<SetQueueAttributes>(longer).await;
    house.pass(10 * MINUTE).await;
    assert_eq!(attribute(&house, "q", "ApproximateNumberOfMessages").await, "1");
}

/// Sends so many messages, ten at a time.
async fn fill(house: &House, name: &str, count: usize) {
    for first in (0..count).step_by(10) {
        let entry = |at: usize| json!({ "Id": at.to_string(), "MessageBody": at.to_string() });
        let entries: Vec<Value> = (first..first + 10).map(entry).collect();
        let input = json!({ "QueueUrl": url(name), "Entries": entries });
        house.ok::<SendMessageBatch>(input).await;
    }
}

/// Records of all queues' messages, and contents.
fn stored(house: &House) -> (usize, usize) {
    let count = |name| house.doors.kv.keyspace(name).unwrap().all().count();
    (count("sqs.record"), count("sqs.content"))
}

#[tokio::test(start_paused = true)]
async fn a_purge_of_many_takes_what_was_there_and_nothing_later_also_across_a_restart() {
    let house = House::new();
    create(&house, "q", json!({})).await;
    create(&house, "other", json!({})).await;
    send(&house, "other", "stays").await;
    fill(&house, "q", 1500).await;
    assert_eq!(receive(&house, "q", json!({})).await.len(), 10);
    house.ok::<PurgeQueue>(json!({ "QueueUrl": url("q") })).await;
    send(&house, "q", "later").await;
    let house = house.again().await;
    assert_eq!(bodies(&receive(&house, "q", json!({})).await), ["later"]);
    assert_eq!(bodies(&receive(&house, "other", json!({})).await), ["stays"]);
    house.pass(MINUTE).await;
    assert_eq!(stored(&house), (2, 2));
    assert_eq!(house.doors.kv.keyspace("sqs.purge").unwrap().all().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_a_deleted_queue_nothing_is_left_on_disk_also_if_its_removal_was_cut_short() {
    let house = House::new();
    create(&house, "q", json!({})).await;
    create(&house, "other", json!({})).await;
    send(&house, "other", "stays").await;
    fill(&house, "q", 1500).await;
    house.ok::<DeleteQueue>(json!({ "QueueUrl": url("q") })).await;
    let house = house.again().await;
    house.pass(MINUTE).await;
    assert_eq!(stored(&house), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn many_messages_that_are_past_their_retention_go_together() {
    let house = House::new();
    create(&house, "q", json!({ "MessageRetentionPeriod": "60" })).await;
    fill(&house, "q", 1500).await;
    house.pass(Duration::from_secs(59)).await;
    send(&house, "q", "young").await;
    house.pass(Duration::from_secs(2)).await;
    assert_eq!(attribute(&house, "q", "ApproximateNumberOfMessages").await, "1");
    assert_eq!(stored(&house), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_purge_empties_a_queue_and_there_is_one_a_minute() {
    let house = House::new();
    create(&house, "q", json!({})).await;
    send(&house, "q", "a").await;
    let purge = json!({ "QueueUrl": url("q") });
    house.ok::<PurgeQueue>(purge.clone()).await;
    assert_eq!(attribute(&house, "q", "ApproximateNumberOfMessages").await, "0");
    let text = "Only one PurgeQueue operation on q is allowed every 60 seconds.";
    assert_eq!(
        house.call::<PurgeQueue>(purge.clone()).await,
        refused("PurgeQueueInProgress", text)
    );
    house.pass(MINUTE).await;
    house.ok::<PurgeQueue>(purge).await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_queue_ends_its_waiters_and_its_name_is_free_after_a_minute() {
    let house = House::new();
    create(&house, "q", json!({})).await;
    send(&house, "q", "a").await;
    receive(&house, "q", json!({})).await;
    let wait = json!({ "QueueUrl": url("q"), "WaitTimeSeconds": 20 });
    let deletion = async {
        house.pass(Duration::from_secs(1)).await;
        house.ok::<DeleteQueue>(json!({ "QueueUrl": url("q") })).await
    };
    let (waiter, _) = tokio::join!(house.call::<ReceiveMessage>(wait), deletion);
    let gone = refused("QueueDoesNotExist", "The specified queue does not exist.");
    assert_eq!(waiter, gone);
    let again = json!({ "QueueName": "q" });
    let (code, _) = house.call::<CreateQueue>(again.clone()).await.unwrap_err();
    assert_eq!(code, "QueueDeletedRecently");
    house.pass(MINUTE).await;
    house.ok::<CreateQueue>(again).await;
    assert_eq!(attribute(&house, "q", "ApproximateNumberOfMessagesNotVisible").await, "0");
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_created_again_only_as_it_is() {
    let house = House::new();
    create(&house, "q", json!({ "DelaySeconds": "5" })).await;
    create(&house, "q", json!({})).await;
    create(&house, "q", json!({ "DelaySeconds": "5" })).await;
    let other = json!({ "QueueName": "q", "Attributes": { "DelaySeconds": "6" } });
    let text = "A queue already exists with the same name and a different value for attribute \
                DelaySeconds";
    assert_eq!(house.call::<CreateQueue>(other).await, refused("QueueNameExists", text));
    let dead = json!({ "deadLetterTargetArn": arn("none"), "maxReceiveCount": 1 }).to_string();
    let input = json!({ "QueueUrl": url("q"), "Attributes": { "RedrivePolicy": dead } });
    let (_, text) = house.call::<SetQueueAttributes>(input).await.unwrap_err();
    assert!(text.ends_with("Reason: Dead letter target does not exist."), "{text}");
}

#[tokio::test(start_paused = true)]
async fn permissions_are_statements_of_the_policy() {
    let house = House::new();
    create(&house, "q", json!({})).await;
    let add = json!({
        "QueueUrl": url("q"), "Label": "send", "AWSAccountIds": ["111122223333"],
        "Actions": ["SendMessage"],
    });
    house.ok::<AddPermission>(add.clone()).await;
    let policy: Value = serde_json::from_str(&attribute(&house, "q", "Policy").await).unwrap();
    assert_eq!(policy["Statement"][0]["Principal"]["AWS"], "arn:aws:iam::111122223333:root");
    assert_eq!(policy["Statement"][0]["Action"], "SQS:SendMessage");
    let (_, text) = house.call::<AddPermission>(add).await.unwrap_err();
    assert_eq!(text, "Value send for parameter Label is invalid. Reason: Already exists.");
    house.ok::<RemovePermission>(json!({ "QueueUrl": url("q"), "Label": "send" })).await;
    assert_eq!(attribute(&house, "q", "Policy").await, "none");
}

#[tokio::test(start_paused = true)]
async fn a_fifo_queues_delay_holds_for_messages_that_are_there() {
    let house = House::new();
    create(&house, "f.fifo", json!({ "FifoQueue": "true", "DelaySeconds": "600" })).await;
    send_in(&house, "f.fifo", "g", "x").await;
    house.pass(MINUTE).await;
    assert!(receive(&house, "f.fifo", json!({})).await.is_empty());
    let sooner = json!({ "QueueUrl": url("f.fifo"), "Attributes": { "DelaySeconds": "30" } });
    house.ok::<SetQueueAttributes>(sooner).await;
    assert_eq!(bodies(&receive(&house, "f.fifo", json!({})).await), ["x"]);
}

#[tokio::test(start_paused = true)]
async fn other_rooms_send_to_a_queue_by_its_arn() {
    let house = House::new();
    create(&house, "f.fifo", json!({ "FifoQueue": "true" })).await;
    let principal = Arc::new(Principal::root(AccountId::default()));
    let sender = Sender { principal, source_arn: "arn:aws:events:::rule/r".to_owned() };
    let mut sent = Consignment::new(arn("f.fifo"), sender, Region::default(), "hello".into());
    sent.attributes.push(("kind".to_owned(), "test".to_owned()));
    let refusal = house.doors.targets.deliver(&sent).await.unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.is_transient), ("MissingParameter", false));
    sent.group = Some("g".to_owned());
    sent.deduplication = Some("d".to_owned());
    house.doors.targets.deliver(&sent).await.unwrap();
    let got = receive(&house, "f.fifo", json!({ "MessageAttributeNames": ["All"] })).await;
    assert_eq!(bodies(&got), ["hello"]);
    assert_eq!(got[0]["MessageAttributes"]["kind"]["StringValue"], "test");
    sent.arn = arn("none.fifo");
    let refusal = house.doors.targets.deliver(&sent).await.unwrap_err();
    assert_eq!(refusal.code, "AWS.SimpleQueueService.NonExistentQueue");
}

#[tokio::test(start_paused = true)]
async fn each_request_is_billed_by_what_it_carries() {
    let house = House::new();
    create(&house, "q", json!({})).await;
    send(&house, "q", &"x".repeat(64 * 1024 + 1)).await;
    assert_eq!(house.bill.total("requests/standard"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_queue_of_any_name_is_asked_for_and_is_not_there() {
    let house = House::new();
    let missing = refused("QueueDoesNotExist", "The specified queue does not exist.");
    for length in [1000, 70_000] {
        let input = json!({ "QueueUrl": url(&"q".repeat(length)) });
        assert_eq!(house.call::<GetQueueAttributes>(input).await, missing, "{length}");
        let input = json!({ "QueueName": "q".repeat(length) });
        assert_eq!(house.call::<GetQueueUrl>(input).await, missing, "{length}");
    }
}
