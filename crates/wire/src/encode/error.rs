//! Errors in each protocol's own form.

use haar_types::RequestId;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Response, StatusCode};
use serde_json::Value as Json;

use super::{bind, content_type, head, host_id, set, set_content_type};
use crate::detect::Route;
use crate::operation::{Protocol, ServiceSchema};
use crate::schema::{Fault, Location};
use crate::shape::set_members;
use crate::xml::XmlWriter;
use crate::{AwsError, Body, Shape, View, cbor, json};

/// Encodes an error in the caller's protocol.
pub fn encode_error(route: &Route, error: &AwsError, request_id: &RequestId) -> Response<Body> {
    encode_error_as(route.protocol, Some(route.service), error, request_id)
}

/// The same where there is no route.
pub fn encode_error_as(
    protocol: Protocol,
    service: Option<&'static ServiceSchema>,
    error: &AwsError,
    request_id: &RequestId,
) -> Response<Body> {
    let mut answer = head(protocol, error.status_in(protocol), request_id);
    if let Some(shape) = error.shape() {
        bind_headers(shape, &mut answer);
    }
    for (name, text) in error.headers() {
        set(&mut answer, name, text);
    }
    if answer.status() == StatusCode::NOT_MODIFIED {
        return answer;
    }
    let bytes = match protocol {
        Protocol::Query | Protocol::Ec2 | Protocol::RestXml => {
            xml(protocol, service, error, request_id)
        }
        Protocol::RpcV2Cbor => {
            let (name, message) = (qualified(service, error), error.message());
            cbor::write_error(&name, message, error.shape(), cbor::Times::Seconds)
        }
        Protocol::Cbor11 => {
            let (name, message) = (error.name(), error.message());
            cbor::write_error(name, message, error.shape(), cbor::Times::Millis)
        }
        Protocol::Json10 => json_body(Some(qualified(service, error)), "message", error),
        Protocol::Json11 => json_body(Some(error.name().to_owned()), "message", error),
        Protocol::RestJson => {
            set(&mut answer, "x-amzn-errortype", error.name());
            let key = service.map_or("message", |service| service.error_style.message_key);
            json_body(None, key, error)
        }
    };
    let also_query = matches!(protocol, Protocol::Json10 | Protocol::Json11 | Protocol::RpcV2Cbor)
        && service.is_some_and(|service| service.query_compatible);
    if also_query {
        let code = format!("{};{}", error.code(), fault(error));
        set(&mut answer, "x-amzn-query-error", &code);
    }
    set_content_type(&mut answer, content_type(protocol));
    let length = HeaderValue::from(bytes.len());
    answer.headers_mut().insert(CONTENT_LENGTH, length);
    *answer.body_mut() = bytes.into();
    answer
}

fn bind_headers(shape: &dyn Shape, answer: &mut Response<Body>) {
    let status = answer.status();
    bind(shape, answer);
    *answer.status_mut() = status;
}

/// `com.amazonaws.cloudwatch#ResourceNotFoundException`.
fn qualified(service: Option<&ServiceSchema>, error: &AwsError) -> String {
    let space = service.map_or("coral.availability", |service| service.id);
    format!("com.amazonaws.{space}#{}", error.name())
}

fn fault(error: &AwsError) -> &'static str {
    match error.fault() {
        Fault::Sender => "Sender",
        Fault::Receiver => "Receiver",
    }
}

fn json_body(kind: Option<String>, message_key: &str, error: &AwsError) -> Vec<u8> {
    let mut body = serde_json::Map::new();
    if let Some(kind) = kind {
        body.insert("__type".to_owned(), kind.into());
    }
    match error.shape() {
        Some(shape) => {
            let members = serde_json::to_value(json::object(shape).body_only());
            if let Ok(Json::Object(members)) = members {
                body.extend(members);
            }
            say_whose(shape, error, &mut body);
        }
        None => {
            body.insert(message_key.to_owned(), error.message().into());
        }
    }
    serde_json::to_vec(&body).unwrap_or_default()
}

/// Lambda's errors say in `Type` whose fault they are.
fn say_whose(shape: &dyn Shape, error: &AwsError, body: &mut serde_json::Map<String, Json>) {
    let members = shape.schema().members();
    if members.iter().any(|member| member.wire == "Type") && !body.contains_key("Type") {
        let whose = match error.fault() {
            Fault::Sender => "User",
            Fault::Receiver => "Service",
        };
        body.insert("Type".to_owned(), whose.into());
    }
}

fn xml(
    protocol: Protocol,
    service: Option<&ServiceSchema>,
    error: &AwsError,
    request_id: &RequestId,
) -> Vec<u8> {
    let is_wrapped = service.is_none_or(|service| service.error_style.wrapped);
    match protocol {
        Protocol::Ec2 => ec2(error, request_id),
        Protocol::RestXml if !is_wrapped => bare(error, request_id),
        _ => wrapped(service.and_then(|service| service.xml_namespace), error, request_id),
    }
}

fn ec2(error: &AwsError, request_id: &RequestId) -> Vec<u8> {
    let (mut code, mut message) = (error.code(), error.message().to_owned());
    if error.shape().is_none() && code == "AccessDenied" {
        code = "UnauthorizedOperation";
        message = format!("You are not authorized to perform this operation. {message}");
    }
    let mut out = XmlWriter::document();
    out.element("Response", None, |out| {
        out.element("Errors", None, |out| {
            out.element("Error", None, |out| {
                out.leaf("Code", code);
                out.leaf("Message", &message);
            });
        });
        out.leaf("RequestID", request_id.as_str());
    });
    out.finish()
}

/// As S3 has them: without an `ErrorResponse` around.
fn bare(error: &AwsError, request_id: &RequestId) -> Vec<u8> {
    let mut out = XmlWriter::document();
    out.element("Error", None, |out| {
        code_and_message(error, out);
        out.leaf("RequestId", request_id.as_str());
        out.leaf("HostId", &host_id(request_id));
    });
    out.finish()
}

fn wrapped(namespace: Option<&str>, error: &AwsError, request_id: &RequestId) -> Vec<u8> {
    let mut out = XmlWriter::default();
    out.element("ErrorResponse", namespace, |out| {
        out.element("Error", None, |out| {
            out.leaf("Type", fault(error));
            code_and_message(error, out);
        });
        out.leaf("RequestId", request_id.as_str());
    });
    out.finish()
}

fn code_and_message(error: &AwsError, out: &mut XmlWriter) {
    out.leaf("Code", error.code());
    out.leaf("Message", error.message());
    if let Some(shape) = error.shape() {
        extra_members(shape, out);
    }
    for (name, text) in error.elements() {
        out.leaf(name, text);
    }
}

/// Members beside the message, as text.
fn extra_members(shape: &dyn Shape, out: &mut XmlWriter) {
    for (_, member, view) in set_members(shape) {
        if member.location == Location::Body && !member.name.eq_ignore_ascii_case("message") {
            match view {
                View::Text(text) => out.leaf(member.wire, text),
                View::Integer(number) => out.leaf(member.wire, &number.to_string()),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_is_a_bad_request_to_services_that_are_called_by_targets() {
        let denied = AwsError::access_denied("no");
        let status = |protocol| {
            let id = RequestId::new("7");
            encode_error_as(protocol, None, &denied, &id).status().as_u16()
        };
        assert_eq!([Protocol::Json10, Protocol::Json11].map(status), [400, 400]);
        assert_eq!([Protocol::RestJson, Protocol::Query].map(status), [403, 403]);
    }
}
