//! Puts single messages through the protocols, so that AWS's own clients can judge them: what
//! they send is decoded to JSON, what JSON says is encoded for them to parse.
//!
//! Begin with [`answer`].

mod events;
pub mod generated;

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::FutureExt;
use haar_types::RequestId;
use haar_wire::{AwsError, Body, Catalogue, Kind, Protocol, Shape, to_json};
use http_body_util::BodyExt;
use serde_json::{Value, json};

/// The services whose operations are listed, and samples of others.
pub fn catalogue() -> Catalogue {
    Catalogue::new([
        &generated::ec2::SERVICE,
        &haar_cloudwatch_contract::model::SERVICE,
        &haar_dynamodb_contract::model::SERVICE,
        &haar_dynamodbstreams_contract::model::SERVICE,
        &haar_ec2_contract::model::SERVICE,
        &haar_ecr_contract::model::SERVICE,
        &haar_ecs_contract::model::SERVICE,
        &haar_events_contract::model::SERVICE,
        &haar_iam_contract::model::SERVICE,
        &haar_kinesis_contract::model::SERVICE,
        &haar_pipes_contract::model::SERVICE,
        &haar_s3_contract::model::SERVICE,
        &haar_scheduler_contract::model::SERVICE,
        &haar_secretsmanager_contract::model::SERVICE,
        &haar_sns_contract::model::SERVICE,
        &haar_sqs_contract::model::SERVICE,
        &haar_ssm_contract::model::SERVICE,
        &haar_lambda_contract::model::SERVICE,
        &haar_logs_contract::model::SERVICE,
        &haar_sts_contract::model::SERVICE,
    ])
}

/// Answers one question:
/// `{"request": {"method", "url", "headers", "body"}}` is decoded;
/// `{"output": {…}, "body", "service", "operation", "protocol"}` is encoded, and so are
/// `{"events": [{NAME: {…}}], …}` and
/// `{"error": NAME, "query_code", "service", "operation", "protocol"}`. Bodies are base64.
pub fn answer(catalogue: &Catalogue, question: &Value) -> Value {
    match question.get("request") {
        Some(request) => decoded(catalogue, request),
        None => encoded(catalogue, question).unwrap_or_else(|why| json!({ "refused": why })),
    }
}

fn decoded(catalogue: &Catalogue, request: &Value) -> Value {
    let text = |key: &str| request[key].as_str().unwrap_or_default();
    let mut builder = http::Request::builder().method(text("method")).uri(text("url"));
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        builder = builder.header(name, value.as_str().unwrap_or_default());
    }
    let Ok(request) = builder.body(()) else { return json!({ "refused": "no HTTP request" }) };
    let body = Bytes::from(STANDARD.decode(text("body")).unwrap_or_default());
    let (parts, ()) = request.into_parts();
    let route = match haar_wire::detect(catalogue, &parts, &body) {
        Ok(route) => route,
        Err(refusal) => return failure(&refusal.error),
    };
    let mut input = (route.operation.new_input)();
    if let Err(error) = haar_wire::decode_into(&route, &parts, Body::from(body), &mut *input) {
        return failure(&error);
    }
    let mut answer = json!({
        "service": route.service.id,
        "operation": route.operation.name,
        "protocol": format!("{:?}", route.protocol),
        "input": to_json(&*input),
    });
    let streamed = stream_of(&mut *input).and_then(|value| value.take_body());
    if let Some(bytes) = streamed.as_ref().and_then(Body::as_bytes) {
        answer["body"] = json!(STANDARD.encode(bytes));
    }
    answer
}

/// The member that is a stream of bytes, if there is one.
fn stream_of(shape: &mut dyn Shape) -> Option<&mut dyn haar_wire::Value> {
    let mut members = shape.schema().members().iter();
    let index = members.position(|member| matches!(member.schema.kind, Kind::Stream))?;
    Some(shape.member_mut(index))
}

fn failure(error: &AwsError) -> Value {
    json!({ "error": error.name(), "status": error.status(), "message": error.message() })
}

fn encoded(catalogue: &Catalogue, question: &Value) -> Result<Value, String> {
    let text = |key: &str| question[key].as_str().unwrap_or_default();
    let operation = catalogue.operation(text("service"), text("operation"));
    let operation = operation.ok_or("no such operation")?;
    let protocol = protocol(text("protocol"))?;
    let id = RequestId::new("00000000-0000-4000-8000-000000000000");
    let answer = match question.get("error") {
        None => {
            let mut output = match question["events"].as_array() {
                Some(events) => events::output(operation.name, events)?,
                None => (operation.new_output)(),
            };
            if let Some(json) = question.get("output") {
                fill(json, &mut *output)?;
            }
            if let (Some(body), Some(value)) = (question.get("body"), stream_of(&mut *output)) {
                let bytes = STANDARD.decode(body.as_str().unwrap_or_default());
                let bytes = bytes.map_err(|error| error.to_string())?;
                value.set_body(bytes.into()).map_err(|_| "this stream takes no bytes")?;
            }
            haar_wire::encode(protocol, operation, &mut *output, &id)
        }
        Some(_) => {
            let mut error = AwsError::new(
                text("error").to_owned(),
                question["status"].as_u64().and_then(|s| u16::try_from(s).ok()).unwrap_or(400),
                text("message"),
            );
            if let Some(code) = question["query_code"].as_str() {
                error = error.query_code(code.to_owned());
            }
            haar_wire::encode_error_as(protocol, Some(operation.service), &error, &id)
        }
    };
    let (head, body) = answer.into_parts();
    // Bodies here are at hand: nothing is waited for.
    let body = body.collect().now_or_never().ok_or("the body is not at hand")?;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    let headers: serde_json::Map<String, Value> = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    Ok(json!({
        "status": head.status.as_u16(), "headers": headers, "body": STANDARD.encode(body),
    }))
}

fn fill(json: &Value, shape: &mut dyn Shape) -> Result<(), String> {
    haar_wire::from_json_into(json.clone(), shape).map_err(|error| error.to_string())
}

/// botocore's name of a protocol.
fn protocol(name: &str) -> Result<Protocol, String> {
    Ok(match name {
        "json" | "json-1.1" => Protocol::Json11,
        "json-1.0" => Protocol::Json10,
        "rest-json" => Protocol::RestJson,
        "rest-xml" => Protocol::RestXml,
        "query" => Protocol::Query,
        "ec2" => Protocol::Ec2,
        "smithy-rpc-v2-cbor" => Protocol::RpcV2Cbor,
        other => return Err(format!("no protocol {other}")),
    })
}

/// One question as text, its answer as text.
pub fn answer_line(catalogue: &Catalogue, line: &str) -> String {
    match Value::from_str(line) {
        Ok(question) => answer(catalogue, &question).to_string(),
        Err(error) => json!({ "refused": error.to_string() }).to_string(),
    }
}
