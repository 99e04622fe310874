//! Queues on a disk that takes nothing new.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test that cannot go on fails

mod house;

use std::path::Path;

use haar_kv::{Kv, KvError, Sizes};
use haar_sqs_contract::*;
use house::House;
use serde_json::{Value, json};

fn url(name: &str) -> String {
    format!("http://localhost:4566/000000000000/{name}")
}

async fn create(house: &House, name: &str, attributes: Value) {
    house.ok::<CreateQueue>(json!({ "QueueName": name, "Attributes": attributes })).await;
}

async fn send(house: &House, name: &str, more: Value) -> Result<Value, house::Refused> {
    let mut input = json!({ "QueueUrl": url(name), "MessageBody": "a" });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    house.call::<SendMessage>(input).await
}

async fn receive(house: &House, name: &str) -> Result<Vec<Value>, house::Refused> {
    let answer = house.call::<ReceiveMessage>(json!({ "QueueUrl": url(name) })).await?;
    Ok(answer["Messages"].as_array().cloned().unwrap_or_default())
}

/// Messages that may be received, and that are with consumers.
async fn counts(house: &House, name: &str) -> Value {
    let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
    let input = json!({ "QueueUrl": url(name), "AttributeNames": names });
    let answer = house.ok::<GetQueueAttributes>(input).await;
    json!(names.map(|name| answer["Attributes"][name].clone()))
}

fn reserving(reserve_bytes: u64) -> Sizes {
    Sizes { reserve_bytes, ..Sizes::default() }
}

fn free_bytes() -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let kv = Kv::open_sized(dir.path(), reserving(u64::MAX)).unwrap();
    match kv.keyspace("test").unwrap().put("a", "a") {
        Err(KvError::Full(mib)) => mib << 20,
        other => panic!("{other:?}"),
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// Opens the records as they are on disk: who wrote them may have them open still.
fn reopened(dir: &Path, sizes: Sizes) -> Kv {
    copy(&dir.join("first"), &dir.join("then"));
    Kv::open_sized(&dir.join("then"), sizes).unwrap()
}

#[tokio::test]
async fn queues_are_emptied_while_nothing_can_be_sent() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::on(Kv::open(&dir.path().join("first")).unwrap());
    create(&house, "dead", json!({})).await;
    let redrive = json!({
        "deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead", "maxReceiveCount": 1,
    });
    create(&house, "q", json!({ "RedrivePolicy": redrive.to_string() })).await;
    create(&house, "purged", json!({})).await;
    send(&house, "q", json!({})).await.unwrap();
    send(&house, "purged", json!({})).await.unwrap();

    let sizes = reserving(free_bytes() / 2 * 3); // half of it is for what frees room
    let house = house.again_on(|| reopened(dir.path(), sizes)).await;
    assert!(send(&house, "q", json!({})).await.is_err());
    let got = receive(&house, "q").await.unwrap();
    let change = json!({
        "QueueUrl": url("q"), "ReceiptHandle": got[0]["ReceiptHandle"], "VisibilityTimeout": 0,
    });
    house.ok::<ChangeMessageVisibility>(change).await;
    assert!(receive(&house, "q").await.unwrap().is_empty(), "it was received often enough");
    let dead = receive(&house, "dead").await.unwrap();
    let delete = json!({ "QueueUrl": url("dead"), "ReceiptHandle": dead[0]["ReceiptHandle"] });
    house.ok::<DeleteMessage>(delete).await;
    house.ok::<PurgeQueue>(json!({ "QueueUrl": url("purged") })).await;
    for name in ["q", "dead", "purged"] {
        assert_eq!(counts(&house, name).await, json!(["0", "0"]), "{name}");
    }
}

#[tokio::test]
async fn a_receive_that_the_disk_refused_has_taken_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let house = House::on(Kv::open(&dir.path().join("first")).unwrap());
    let redrive = json!({
        "deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:q", "maxReceiveCount": 1,
    });
    create(&house, "q", json!({})).await;
    create(&house, "received", json!({ "RedrivePolicy": redrive.to_string() })).await;
    create(&house, "q.fifo", json!({ "FifoQueue": "true" })).await;
    send(&house, "q", json!({})).await.unwrap();
    send(&house, "received", json!({})).await.unwrap();
    let visible = json!({ "QueueUrl": url("received"), "VisibilityTimeout": 0 });
    house.ok::<ReceiveMessage>(visible).await;
    let ordered = json!({ "MessageGroupId": "g", "MessageDeduplicationId": "d" });
    send(&house, "q.fifo", ordered).await.unwrap();

    let house = house.again_on(|| reopened(dir.path(), reserving(u64::MAX))).await;
    for name in ["q", "received", "q.fifo"] {
        for _ in 0..2 {
            assert!(receive(&house, name).await.is_err(), "{name}");
            assert_eq!(counts(&house, name).await, json!(["1", "0"]), "{name}");
        }
    }
}
