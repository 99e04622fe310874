//! The calls about buckets, tables, queues and rules.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

use super::super::archive::Input;
use super::containers::{NAME, TaskNetwork};
use super::{Call, ROLE};

/// Where pictures land.
pub(in super::super) const PICTURES: &str = "tour-pictures";
/// Where thumbnails go.
pub(in super::super) const THUMBNAILS: &str = "tour-thumbnails";
/// Where uploads start a task.
pub(in super::super) const INBOX: &str = "tour-inbox";
/// The table of all pipelines.
pub(in super::super) const TABLE: &str = "tour";

fn s3(words: &[&str], method: Method, path: String, body: &[u8]) -> Call {
    Call::new("s3", &[&["s3api"], words].concat()).rest(method, path, body.to_vec())
}

fn dynamodb(words: &[&str], operation: &str, document: &Value) -> Call {
    let target = format!("DynamoDB_20120810.{operation}");
    Call::new("dynamodb", &[&["dynamodb"], words].concat()).target(&target, "1.0", document)
}

fn sqs(words: &[&str], operation: &str, document: &Value) -> Call {
    let target = format!("AmazonSQS.{operation}");
    Call::new("sqs", &[&["sqs"], words].concat()).target(&target, "1.0", document)
}

fn events(words: &[&str], operation: &str, document: &Value) -> Call {
    let target = format!("AWSEvents.{operation}");
    Call::new("events", &[&["events"], words].concat()).target(&target, "1.1", document)
}

fn lambda(words: &[&str], path: &str, document: &Value) -> Call {
    let body = document.to_string().into_bytes();
    let words = [&["lambda"], words].concat();
    Call::new("lambda", &words).rest(Method::POST, path.to_owned(), body)
}

/// A function of the tour's account.
fn function_arn(name: &str) -> String {
    format!("arn:aws:lambda:us-east-1:000000000000:function:{name}")
}

/// A queue of the tour's account.
fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}")
}

/// A function with what it is told in its environment, and perhaps a layer.
pub(in super::super) fn create_function(input: &Input, layer: Option<&str>) -> Call {
    let archive = format!("{}.zip", input.name);
    let zip = format!("fileb://{archive}");
    let environment = format!("Variables={{TABLE={TABLE},THUMBNAILS={THUMBNAILS}}}");
    let mut words = vec!["create-function", "--function-name", input.name];
    words.extend(["--runtime", input.runtime, "--handler", &input.handler, "--role", ROLE]);
    words.extend(["--memory-size", "512", "--timeout", "10", "--environment", &environment]);
    words.extend(["--zip-file", &zip]);
    let mut document = json!({
        "FunctionName": input.name,
        "Runtime": input.runtime,
        "Handler": input.handler,
        "Role": ROLE,
        "MemorySize": 512,
        "Timeout": 10,
        "Environment": { "Variables": { "TABLE": TABLE, "THUMBNAILS": THUMBNAILS } },
        "Code": { "ZipFile": STANDARD.encode(&input.zip) },
    });
    if let Some(layer) = layer {
        words.extend(["--layers", layer]);
        document["Layers"] = json!([layer]);
    }
    lambda(&words, "/2015-03-31/functions", &document).file(&archive, &input.zip)
}

pub(in super::super) fn publish_layer(zip: &[u8]) -> Call {
    let mut words = vec!["publish-layer-version", "--layer-name", "pillow"];
    words.extend(["--zip-file", "fileb://pillow.zip"]);
    let document = json!({ "Content": { "ZipFile": STANDARD.encode(zip) } });
    lambda(&words, "/2018-10-31/layers/pillow/versions", &document).file("pillow.zip", zip)
}

/// Lets a service call a function.
pub(in super::super) fn permit(function: &str, service: &str) -> Call {
    let principal = format!("{service}.amazonaws.com");
    let mut words = vec!["add-permission", "--function-name", function, "--statement-id", service];
    words.extend(["--action", "lambda:InvokeFunction", "--principal", &principal]);
    let document = json!({
        "StatementId": service,
        "Action": "lambda:InvokeFunction",
        "Principal": principal,
    });
    lambda(&words, &format!("/2015-03-31/functions/{function}/policy"), &document)
}

pub(in super::super) fn create_bucket(name: &str) -> Call {
    let words = ["create-bucket", "--bucket", name];
    s3(&words, Method::PUT, format!("/{name}"), b"")
}

pub(in super::super) fn put_object(bucket: &str, key: &str, content: &[u8]) -> Call {
    let words = ["put-object", "--bucket", bucket, "--key", key, "--body", key];
    s3(&words, Method::PUT, format!("/{bucket}/{key}"), content).file(key, content)
}

pub(in super::super) fn list_objects(bucket: &str) -> Call {
    let words = ["list-objects-v2", "--bucket", bucket];
    s3(&words, Method::GET, format!("/{bucket}?list-type=2"), b"")
}

/// New pictures call a function.
pub(in super::super) fn notify_function(bucket: &str, function: &str) -> Call {
    let arn = function_arn(function);
    let document = json!({ "LambdaFunctionConfigurations": [{
        "LambdaFunctionArn": arn,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": { "Key": { "FilterRules": [{ "Name": "suffix", "Value": ".jpg" }] } },
    }] });
    let body = format!(
        "<NotificationConfiguration><CloudFunctionConfiguration>\
         <CloudFunction>{arn}</CloudFunction><Event>s3:ObjectCreated:*</Event>\
         <Filter><S3Key><FilterRule><Name>suffix</Name><Value>.jpg</Value></FilterRule></S3Key>\
         </Filter></CloudFunctionConfiguration></NotificationConfiguration>"
    );
    notify(bucket, &document, &body)
}

/// What happens in a bucket is told to EventBridge.
pub(in super::super) fn notify_bus(bucket: &str) -> Call {
    let document = json!({ "EventBridgeConfiguration": {} });
    let body = "<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>";
    notify(bucket, &document, body)
}

fn notify(bucket: &str, document: &Value, body: &str) -> Call {
    let file = "file://notification.json";
    let mut words = vec!["put-bucket-notification-configuration", "--bucket", bucket];
    words.extend(["--notification-configuration", file]);
    s3(&words, Method::PUT, format!("/{bucket}?notification"), body.as_bytes())
        .file("notification.json", format!("{document:#}").as_bytes())
}

pub(in super::super) fn create_table() -> Call {
    let mut words = vec!["create-table", "--table-name", TABLE];
    words.extend(["--attribute-definitions", "AttributeName=id,AttributeType=S"]);
    words.extend(["--key-schema", "AttributeName=id,KeyType=HASH"]);
    words.extend(["--billing-mode", "PAY_PER_REQUEST"]);
    let document = json!({
        "TableName": TABLE,
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
        "BillingMode": "PAY_PER_REQUEST",
    });
    dynamodb(&words, "CreateTable", &document)
}

pub(in super::super) fn scan() -> Call {
    dynamodb(&["scan", "--table-name", TABLE], "Scan", &json!({ "TableName": TABLE }))
}

/// A queue whose messages go to another one after they were received twice.
pub(in super::super) fn create_queue(name: &str, dead_letters: Option<&str>) -> Call {
    let mut attributes = json!({ "VisibilityTimeout": "10" });
    if let Some(dead_letters) = dead_letters {
        let redrive =
            json!({ "deadLetterTargetArn": queue_arn(dead_letters), "maxReceiveCount": 2 });
        attributes["RedrivePolicy"] = redrive.to_string().into();
    }
    let words = ["create-queue", "--queue-name", name, "--attributes", "file://attributes.json"];
    let document = json!({ "QueueName": name, "Attributes": attributes });
    sqs(&words, "CreateQueue", &document)
        .file("attributes.json", format!("{attributes:#}").as_bytes())
}

pub(in super::super) fn send_message(url: &str, body: &str) -> Call {
    let words = ["send-message", "--queue-url", url, "--message-body", body];
    sqs(&words, "SendMessage", &json!({ "QueueUrl": url, "MessageBody": body }))
}

pub(in super::super) fn receive_message(url: &str) -> Call {
    let words = ["receive-message", "--queue-url", url, "--wait-time-seconds", "20"];
    sqs(&words, "ReceiveMessage", &json!({ "QueueUrl": url, "WaitTimeSeconds": 20 }))
}

/// A function takes messages from a queue.
pub(in super::super) fn map_queue(function: &str, queue: &str) -> Call {
    let arn = queue_arn(queue);
    let mut words = vec!["create-event-source-mapping", "--function-name", function];
    words.extend(["--event-source-arn", &arn, "--batch-size", "1"]);
    let document = json!({ "FunctionName": function, "EventSourceArn": arn, "BatchSize": 1 });
    lambda(&words, "/2015-03-31/event-source-mappings", &document)
}

pub(in super::super) fn put_schedule_rule(rule: &str, expression: &str) -> Call {
    let words = ["put-rule", "--name", rule, "--schedule-expression", expression];
    events(&words, "PutRule", &json!({ "Name": rule, "ScheduleExpression": expression }))
}

/// A rule for uploads to a bucket.
pub(in super::super) fn put_upload_rule(rule: &str, bucket: &str) -> Call {
    let pattern = json!({
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": { "bucket": { "name": [bucket] } },
    });
    let pattern = pattern.to_string();
    let words = ["put-rule", "--name", rule, "--event-pattern", &pattern];
    events(&words, "PutRule", &json!({ "Name": rule, "EventPattern": pattern }))
}

pub(in super::super) fn target_function(rule: &str, function: &str) -> Call {
    target(rule, &json!([{ "Id": "function", "Arn": function_arn(function) }]))
}

/// A rule runs a task.
pub(in super::super) fn target_task(rule: &str, network: &TaskNetwork) -> Call {
    let TaskNetwork { subnet, group } = network;
    let definition = format!("arn:aws:ecs:us-east-1:000000000000:task-definition/{NAME}:1");
    target(
        rule,
        &json!([{
            "Id": "task",
            "Arn": "arn:aws:ecs:us-east-1:000000000000:cluster/default",
            "RoleArn": ROLE,
            "EcsParameters": {
                "TaskDefinitionArn": definition,
                "TaskCount": 1,
                "LaunchType": "FARGATE",
                "NetworkConfiguration": {
                    "awsvpcConfiguration": { "Subnets": [subnet], "SecurityGroups": [group] },
                },
            },
        }]),
    )
}

fn target(rule: &str, targets: &Value) -> Call {
    let words = ["put-targets", "--rule", rule, "--targets", "file://targets.json"];
    events(&words, "PutTargets", &json!({ "Rule": rule, "Targets": targets }))
        .file("targets.json", format!("{targets:#}").as_bytes())
}

pub(in super::super) fn list_tasks(started_by: &str) -> Call {
    let words = ["ecs", "list-tasks", "--started-by", started_by];
    let document = json!({ "startedBy": started_by });
    Call::new("ecs", &words).target(
        "AmazonEC2ContainerServiceV20141113.ListTasks",
        "1.1",
        &document,
    )
}
