//! Requests of the services that keep data.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::client::{Ask, Connection};

/// The account of everything that is measured.
const ACCOUNT: &str = "000000000000";

/// An operation of one of the JSON protocols.
fn operation(service: &str, target: &str, version: &str, document: &Value) -> Ask {
    Ask::new(Method::POST, "/", document.to_string())
        .at_service(service)
        .header("x-amz-target", target)
        .header("content-type", &format!("application/x-amz-json-{version}"))
}

pub(crate) fn dynamodb(name: &str, document: &Value) -> Ask {
    operation("dynamodb", &format!("DynamoDB_20120810.{name}"), "1.0", document)
}

pub(crate) fn sqs(name: &str, document: &Value) -> Ask {
    operation("sqs", &format!("AmazonSQS.{name}"), "1.0", document)
}

pub(crate) fn events(name: &str, document: &Value) -> Ask {
    operation("events", &format!("AWSEvents.{name}"), "1.1", document)
}

/// A request of Lambda's or the Scheduler's: a path and a document.
pub(crate) fn rest(service: &str, path: &str, document: &Value) -> Ask {
    Ask::new(Method::POST, path, document.to_string())
        .at_service(service)
        .header("content-type", "application/json")
}

pub(crate) fn s3(method: Method, path: &str, body: impl Into<Bytes>) -> Ask {
    Ask::new(method, path, body).at_service("s3")
}

/// A table with a text for its key.
pub(crate) async fn make_table(connection: &mut Connection, name: &str) -> Result<(), String> {
    let table = json!({
        "TableName": name,
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
        "BillingMode": "PAY_PER_REQUEST",
    });
    connection.must(&dynamodb("CreateTable", &table)).await?;
    let describe = dynamodb("DescribeTable", &json!({ "TableName": name }));
    loop {
        let body = connection.must(&describe).await?;
        if String::from_utf8_lossy(&body).contains("ACTIVE") {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// An item of half a kilobyte.
pub(crate) fn put_item(table: &str, id: &str) -> Ask {
    let item = json!({ "id": { "S": id }, "text": { "S": "x".repeat(500) }, "n": { "N": "42" } });
    dynamodb("PutItem", &json!({ "TableName": table, "Item": item }))
}

pub(crate) fn get_item(table: &str, id: &str) -> Ask {
    dynamodb("GetItem", &json!({ "TableName": table, "Key": { "id": { "S": id } } }))
}

/// Makes a queue; its URL.
pub(crate) async fn make_queue(
    connection: &mut Connection,
    name: &str,
    attributes: &Value,
) -> Result<String, String> {
    let document = json!({ "QueueName": name, "Attributes": attributes });
    let made = answer(connection, &sqs("CreateQueue", &document)).await?;
    text_of(&made, "QueueUrl")
}

pub(crate) fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:{ACCOUNT}:{name}")
}

pub(crate) fn function_arn(name: &str) -> String {
    format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}")
}

/// A rule whose events go to a queue.
pub(crate) async fn make_rule(
    connection: &mut Connection,
    rule: &str,
    queue: &str,
) -> Result<(), String> {
    let pattern = json!({ "source": ["bench"] }).to_string();
    let document = json!({ "Name": rule, "EventPattern": pattern });
    connection.must(&events("PutRule", &document)).await?;
    let targets = json!([{ "Id": "queue", "Arn": queue_arn(queue) }]);
    let document = json!({ "Rule": rule, "Targets": targets });
    connection.must(&events("PutTargets", &document)).await.map(drop)
}

/// An event for that rule, or for none.
pub(crate) fn put_events(source: &str) -> Ask {
    let detail = json!({ "number": "COUNT", "text": "x".repeat(500) }).to_string();
    let entry = json!({ "Source": source, "DetailType": "bench", "Detail": detail });
    events("PutEvents", &json!({ "Entries": [entry] }))
}

/// How many messages a queue has, waiting and in flight.
pub(crate) async fn backlog(connection: &mut Connection, url: &str) -> Result<u64, String> {
    let document = json!({ "QueueUrl": url, "AttributeNames": ["All"] });
    let found = answer(connection, &sqs("GetQueueAttributes", &document)).await?;
    let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
    let counts = names
        .map(|name| found["Attributes"][name].as_str().and_then(|count| count.parse::<u64>().ok()));
    counts.into_iter().sum::<Option<u64>>().ok_or_else(|| format!("no counts in {found}"))
}

/// The document that answers a request.
pub(crate) async fn answer(connection: &mut Connection, ask: &Ask) -> Result<Value, String> {
    let body = connection.must(ask).await?;
    serde_json::from_slice(&body).map_err(|error| error.to_string())
}

pub(crate) fn text_of(document: &Value, name: &str) -> Result<String, String> {
    let text = document[name].as_str().map(str::to_owned);
    text.ok_or_else(|| format!("no {name} in {document}"))
}
