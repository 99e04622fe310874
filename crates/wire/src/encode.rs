//! From an output or an error to an answer.

mod error;

use base64::Engine as _;
use bytes::Bytes;
use haar_types::RequestId;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use sha2::{Digest as _, Sha256};

pub use error::{encode_error, encode_error_as};

use crate::headers::mail_safe;
use crate::operation::{OperationSchema, Protocol, XmlRoot};
use crate::schema::{Kind, Location, TimestampFormat};
use crate::shape::set_members;
use crate::value::View;
use crate::xml::XmlWriter;
use crate::{Body, Shape, frames, text};

/// Most answers have fewer headers.
const HEADERS_USUAL: usize = 12;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const S3_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const S3_HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");

/// Encodes an output in the caller's protocol.
pub fn encode(
    protocol: Protocol,
    operation: &'static OperationSchema,
    output: &mut dyn Shape,
    request_id: &RequestId,
) -> Response<Body> {
    let mut answer = head(protocol, operation.http.status, request_id);
    let is_rest = matches!(protocol, Protocol::RestJson | Protocol::RestXml);
    if is_rest {
        bind(output, &mut answer);
    }
    let streamed = match take_stream(protocol, output, &mut answer) {
        Some(body) => Some(body),
        None if is_rest => payload(protocol, operation, output, &mut answer),
        None => None,
    };
    *answer.body_mut() = match streamed {
        Some(body) => body,
        None => whole(protocol, operation, output, request_id, &mut answer),
    };
    let is_head = operation.http.method == "HEAD"; // its length is that of a body left out
    if let Some(bytes) = answer.body().as_bytes().filter(|_| !is_head) {
        let length = HeaderValue::from(bytes.len());
        answer.headers_mut().insert(CONTENT_LENGTH, length);
    }
    answer
}

/// An answer without a body: status, request id, the protocol's own headers.
fn head(protocol: Protocol, status: u16, request_id: &RequestId) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.headers_mut() = HeaderMap::with_capacity(HEADERS_USUAL);
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    if let Ok(id) = HeaderValue::from_str(request_id.as_str()) {
        answer.headers_mut().insert(REQUEST_ID, id.clone());
        if protocol == Protocol::RestXml {
            answer.headers_mut().insert(S3_REQUEST_ID, id);
        }
    }
    if protocol == Protocol::RestXml
        && let Ok(id) = HeaderValue::try_from(host_id(request_id))
    {
        answer.headers_mut().insert(S3_HOST_ID, id);
    }
    if protocol == Protocol::RpcV2Cbor {
        set(&mut answer, "smithy-protocol", "rpc-v2-cbor");
    }
    answer
}

/// The second id of a request in S3's answers: made of the first.
fn host_id(request_id: &RequestId) -> String {
    let digest = Sha256::digest(request_id.as_str());
    base64::engine::general_purpose::STANDARD.encode(digest)
}

/// Sets a header; what no header can hold is left out.
fn set(answer: &mut Response<Body>, name: &str, value: &str) {
    let name = HeaderName::try_from(name);
    let value = HeaderValue::from_bytes(value.as_bytes());
    if let (Ok(name), Ok(value)) = (name, value) {
        answer.headers_mut().insert(name, value);
    }
}

/// The same with a name and a value that need not be copied.
fn set_owned(answer: &mut Response<Body>, name: &'static str, value: String) {
    if let (Some(name), Ok(value)) =
        (named(name), HeaderValue::from_maybe_shared(Bytes::from(value)))
    {
        answer.headers_mut().insert(name, value);
    }
}

/// A header's name as the model has it; most are in lower case.
fn named(name: &'static str) -> Option<HeaderName> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match !name.is_empty() && name.bytes().all(is_plain) {
        true => Some(HeaderName::from_static(name)),
        false => HeaderName::try_from(name).ok(),
    }
}

fn set_content_type(answer: &mut Response<Body>, kind: &'static str) {
    answer.headers_mut().entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
}

/// What bodies of a protocol are.
pub(crate) fn content_type(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Json10 => "application/x-amz-json-1.0",
        Protocol::Json11 => "application/x-amz-json-1.1",
        Protocol::RestJson => "application/json",
        Protocol::RestXml => "application/xml",
        Protocol::Query => "text/xml",
        Protocol::Ec2 => "text/xml;charset=UTF-8",
        Protocol::RpcV2Cbor => "application/cbor",
        Protocol::Cbor11 => "application/x-amz-cbor-1.1",
    }
}

/// What payloads of events are.
pub(crate) fn event_content_type(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Json10 | Protocol::Json11 | Protocol::RestJson => "application/json",
        other => content_type(other),
    }
}

/// Members that go into status and headers.
fn bind(output: &dyn Shape, answer: &mut Response<Body>) {
    for (_, member, view) in set_members(output) {
        match (member.location, view) {
            (Location::Status, View::Integer(status)) => {
                let status = u16::try_from(status).ok();
                if let Some(Ok(status)) = status.map(StatusCode::from_u16) {
                    *answer.status_mut() = status;
                }
            }
            (Location::Header, View::List(list)) => {
                let Kind::List(row) = member.schema.kind else { continue };
                let items = (0..list.len()).filter_map(|index| {
                    let view = list.item(index).view();
                    text::write(view, row.item.schema, TimestampFormat::HttpDate)
                });
                let joined = items.collect::<Vec<_>>().join(",");
                set(answer, member.wire, &joined);
            }
            (Location::Header, _) => {
                let written = text::write(view, member.schema, TimestampFormat::HttpDate);
                if let Some(value) = written {
                    set_owned(answer, member.wire, value);
                }
            }
            (Location::Headers, View::Map(map)) => map.each(&mut |key, value| {
                if let View::Text(value) = value.view() {
                    set(answer, &format!("{}{key}", member.wire), &mail_safe(value));
                }
            }),
            _ => {}
        }
    }
}

/// A member that streams, as the body.
fn take_stream(
    protocol: Protocol,
    output: &mut dyn Shape,
    answer: &mut Response<Body>,
) -> Option<Body> {
    let members = output.schema().members();
    let streams = |kind: &Kind| matches!(kind, Kind::Stream | Kind::Events(_));
    let index = members.iter().position(|member| streams(&member.schema.kind))?;
    if let Some(body) = output.member_mut(index).take_body() {
        set_content_type(answer, "application/octet-stream");
        return Some(body);
    }
    let events = output.member_mut(index).take_events()?;
    let is_rest = matches!(protocol, Protocol::RestJson | Protocol::RestXml);
    let initial = (!is_rest).then(|| frames::body_of(output, protocol));
    set_content_type(answer, "application/vnd.amazon.eventstream");
    Some(frames::body(events, members[index].schema, protocol, initial))
}

/// The member that is the body by itself.
fn payload(
    protocol: Protocol,
    operation: &OperationSchema,
    output: &dyn Shape,
    answer: &mut Response<Body>,
) -> Option<Body> {
    let (index, member) = output.schema().payload()?;
    let (kind, bytes) = match output.member(index).view() {
        View::Absent => return Some(Body::empty()),
        // AWS names JSON even where the model only says bytes.
        View::Blob(bytes) => (content_type(protocol), bytes.clone()),
        View::Text(text) => ("text/plain", Bytes::copy_from_slice(text.as_bytes())),
        View::Structure(shape) if protocol == Protocol::RestXml => {
            let namespace = operation.service.xml_namespace;
            let mut out = XmlWriter::document();
            out.element(member.wire, namespace, |out| out.members(shape));
            (content_type(protocol), out.finish().into())
        }
        View::Structure(shape) => (content_type(protocol), frames::body_of(shape, protocol)),
        View::Document(json) => (content_type(protocol), json.to_string().into()),
        _ => return None,
    };
    set_content_type(answer, kind);
    Some(bytes.into())
}

/// All members as the body.
fn whole(
    protocol: Protocol,
    operation: &OperationSchema,
    output: &dyn Shape,
    request_id: &RequestId,
    answer: &mut Response<Body>,
) -> Body {
    if answer.status() == StatusCode::NO_CONTENT {
        return Body::empty();
    }
    let namespace = operation.service.xml_namespace;
    let bytes = match protocol {
        Protocol::Query => query(operation, output, request_id),
        Protocol::Ec2 => {
            let mut out = XmlWriter::document();
            out.element(&format!("{}Response", operation.name), namespace, |out| {
                out.leaf("requestId", request_id.as_str());
                if output.schema().members().is_empty() {
                    out.leaf("return", "true");
                }
                out.members(output);
            });
            out.finish().into()
        }
        Protocol::RestXml => match rest_xml(operation, output) {
            Some(bytes) => bytes,
            None => return Body::empty(),
        },
        _ => frames::body_of(output, protocol),
    };
    set_content_type(answer, content_type(protocol));
    bytes.into()
}

/// The members in the body as a document; `None` where the output has none there.
fn rest_xml(operation: &OperationSchema, output: &dyn Shape) -> Option<Bytes> {
    let schema = output.schema();
    let namespace = operation.service.xml_namespace;
    let is_body = |member: &crate::Member| member.location == Location::Body;
    let first = schema.members().iter().position(is_body)?;
    let mut out = XmlWriter::document();
    match operation.xml_root {
        XmlRoot::Bare => {
            let member = &schema.members()[first];
            let view = output.member(first).view();
            let text = text::write(view, member.schema, TimestampFormat::DateTime);
            out.element(member.wire, namespace, |out| out.text(&text.unwrap_or_default()));
        }
        XmlRoot::Named(name) => out.element(name, namespace, |out| out.members(output)),
        XmlRoot::Shape => {
            let name = schema.as_structure().and_then(|s| s.xml_name).unwrap_or(schema.name);
            out.element(name, namespace, |out| out.members(output));
        }
    }
    Some(out.finish().into())
}

fn query(operation: &OperationSchema, output: &dyn Shape, request_id: &RequestId) -> Bytes {
    let mut out = XmlWriter::default();
    let namespace = operation.service.xml_namespace;
    out.element(&format!("{}Response", operation.name), namespace, |out| {
        if let Some(wrapper) = operation.result_wrapper {
            out.element(wrapper, None, |out| out.members(output));
        }
        out.element("ResponseMetadata", None, |out| out.leaf("RequestId", request_id.as_str()));
    });
    out.finish().into()
}
