//! From a request to its typed input.

use bytes::Bytes;
use http::request::Parts;

use crate::detect::Route;
use crate::headers::{self, text_of_any_case};
use crate::operation::{Operation, Protocol};
use crate::report::{Malformed, Report, Seen};
use crate::schema::{Kind, Location, Member, Schema};
use crate::tree::{Dialect, from_params, from_xml, read_members};
use crate::value::{Json, Scalar};
use crate::{AwsError, Body, Shape, Value, cbor, json, text};

/// What becomes of a value in a request's head that its member cannot hold.
#[derive(Debug)]
pub enum Misread {
    /// It is told in the model's own words.
    Usual,
    /// It is as if it were not there.
    PassedOver,
    /// This is told.
    Told(AwsError),
}

/// Judges a value in a request's head that its member cannot hold.
pub type Judge<'a> = &'a dyn Fn(&Member, &str) -> Misread;

/// Reads a request's input and checks it against its model: all violations in one error.
///
/// `body` is the whole body. Where the operation takes a stream
/// ([`crate::OperationSchema::takes_stream`]), [`decode_into`] takes it as it flows.
pub fn decode<O: Operation>(
    route: &Route,
    parts: &Parts,
    body: Bytes,
) -> Result<O::Input, AwsError> {
    let mut input = O::Input::default();
    decode_into(route, parts, body.into(), &mut input)?;
    Ok(input)
}

/// The same into a shape that is only known by its table, from a body that may flow.
pub fn decode_into(
    route: &Route,
    parts: &Parts,
    body: Body,
    input: &mut dyn Shape,
) -> Result<(), AwsError> {
    decode_judged(route, (parts, body), input, &|_, _| Misread::Usual)
}

/// The same with a service's own words for what its head may not hold.
pub fn decode_judged(
    route: &Route,
    (parts, body): (&Parts, Body),
    input: &mut dyn Shape,
    judge: Judge<'_>,
) -> Result<(), AwsError> {
    let mut report = Report::of_body(body.as_bytes().map_or(0, Bytes::len));
    if read(route, (parts, body), input, judge, &mut report).is_ok() {
        report.check(input);
    }
    report.finish(route.service)
}

fn read(
    route: &Route,
    (parts, body): (&Parts, Body),
    input: &mut dyn Shape,
    judge: Judge<'_>,
    report: &mut Report,
) -> Result<(), Malformed> {
    let mut seen = Seen::default();
    let members = input.schema().members();
    match route.protocol {
        Protocol::RpcV2Cbor | Protocol::Cbor11 => {
            return cbor::read_object(&bytes(body, report)?, input, report);
        }
        Protocol::Json10 | Protocol::Json11 => {
            let bytes = bytes(body, report)?;
            if !bytes.is_empty() {
                return read_json(&bytes, input, None, report);
            }
        }
        Protocol::Query | Protocol::Ec2 => {
            let ec2 = route.protocol == Protocol::Ec2;
            let dialect = if ec2 { Dialect::Ec2 } else { Dialect::Query };
            let tree = from_params(&route.params, report)?;
            read_members(&tree, dialect, input, &mut seen, report)?;
        }
        Protocol::RestJson | Protocol::RestXml => {
            let head = Head { route, parts, judge };
            read_bound(head, input, &mut seen, report)?;
            read_body(route.protocol, body, input, &mut seen, report)?;
        }
    }
    report.missing(members, &seen);
    Ok(())
}

fn bytes(body: Body, report: &mut Report) -> Result<Bytes, Malformed> {
    match body.as_bytes() {
        Some(bytes) => Ok(bytes.clone()),
        None => Err(report.malformed("the body of this operation cannot be streamed")),
    }
}

fn read_json(
    bytes: &[u8],
    input: &mut dyn Shape,
    seen: Option<&mut Seen>,
    report: &mut Report,
) -> Result<(), Malformed> {
    let mut from = serde_json::Deserializer::from_slice(bytes);
    json::read_object(&mut from, input, seen, report)?;
    from.end().map_err(|error| json::unreadable(&error, report))
}

/// A request's head, and who judges what it says.
#[derive(Clone, Copy)]
struct Head<'a> {
    route: &'a Route,
    parts: &'a Parts,
    judge: Judge<'a>,
}

/// Members in path, query and headers.
fn read_bound(
    head: Head<'_>,
    input: &mut dyn Shape,
    seen: &mut Seen,
    report: &mut Report,
) -> Result<(), Malformed> {
    let Head { route, parts, .. } = head;
    let taken = input.schema().members();
    for (index, member) in taken.iter().enumerate() {
        let text = match member.location {
            Location::Header => text_of_any_case(&parts.headers, member.wire).unwrap_or_default(),
            _ => "",
        };
        if member.location == Location::Header && text.is_empty() {
            continue;
        }
        let value = input.member_mut(index);
        let there = report.in_member(member.name, |report| match member.location {
            Location::Label => match route.labels.iter().find(|(name, _)| *name == member.wire) {
                Some((_, text)) => text::set(text, member.schema, value, report).map(|()| true),
                None => Ok(false),
            },
            Location::Query => read_query(head, taken, member, value, report),
            Location::Header => read_header(text, member, value, head.judge, report),
            Location::Headers => read_headers(parts, member, value, report),
            _ => Ok(false),
        })?;
        if there {
            seen.add(index);
        }
    }
    Ok(())
}

fn read_query(
    Head { route, judge, .. }: Head<'_>,
    members: &'static [Member],
    member: &'static Member,
    value: &mut dyn Value,
    report: &mut Report,
) -> Result<bool, Malformed> {
    let mut there = false;
    for (name, text) in &route.params {
        match member.schema.kind {
            Kind::Map(_) if is_taken(route, members, name) => continue,
            Kind::Map(row) => {
                let Some(slot) = value.insert(name.clone()) else { break };
                let slot = match row.value.schema.kind {
                    Kind::List(_) => slot.push(),
                    _ => Some(slot),
                };
                if let Some(slot) = slot {
                    let _ = slot.set(Scalar::Text(text.clone()));
                }
            }
            Kind::List(row) if name == member.wire => {
                let Some(slot) = value.push() else { break };
                text::set(text, row.item.schema, slot, report)?;
            }
            _ if name == member.wire => {
                there |= read_judged(text, (member, member.schema), value, judge, report)?;
                continue;
            }
            _ => continue,
        }
        there = true;
    }
    Ok(there)
}

/// Sets a member to a text, or does with it what the judge says.
fn read_judged(
    text: &str,
    (member, schema): (&'static Member, &'static Schema),
    value: &mut dyn Value,
    judge: Judge<'_>,
    report: &mut Report,
) -> Result<bool, Malformed> {
    if text::try_set(text, schema, value).is_ok() {
        return Ok(true);
    }
    match judge(member, text) {
        Misread::Usual => text::set(text, schema, value, report).map(|()| true),
        Misread::PassedOver => Ok(false),
        Misread::Told(error) => {
            report.told(error);
            Ok(true)
        }
    }
}

/// Whether a parameter is another member's, the path's, or the signature's.
fn is_taken(route: &Route, members: &[Member], name: &str) -> bool {
    let of_path = route.operation.http.uri.split_once('?').map_or("", |(_, query)| query);
    let mut of_path = of_path.split('&').map(|need| need.split('=').next().unwrap_or_default());
    let plain = |member: &Member| !matches!(member.schema.kind, Kind::Map(_));
    of_path.any(|taken| taken == name)
        || name.starts_with("X-Amz-")
        || members.iter().any(|member| {
            member.location == Location::Query && plain(member) && member.wire == name
        })
}

fn read_header(
    text: &str,
    member: &'static Member,
    value: &mut dyn Value,
    judge: Judge<'_>,
    report: &mut Report,
) -> Result<bool, Malformed> {
    let Kind::List(row) = member.schema.kind else {
        return read_judged(text, (member, member.schema), value, judge, report);
    };
    for part in text.split(',') {
        let Some(slot) = value.push() else { break };
        if !read_judged(part.trim(), (member, row.item.schema), slot, judge, report)? {
            value.pop();
        }
    }
    Ok(true)
}

fn read_headers(
    parts: &Parts,
    member: &'static Member,
    value: &mut dyn Value,
    report: &mut Report,
) -> Result<bool, Malformed> {
    let Kind::Map(row) = member.schema.kind else { return Ok(false) };
    let prefix = member.wire.to_ascii_lowercase();
    let mut there = false;
    for (name, text) in &parts.headers {
        let key = name.as_str().strip_prefix(&prefix);
        let (Some(key), Some(text)) = (key, headers::text(text)) else {
            continue;
        };
        if let Some(slot) = value.insert(key.to_owned()) {
            text::set(text, row.value.schema, slot, report)?;
            there = true;
        }
    }
    Ok(there)
}

/// The body of a REST request: a member by itself, or all members that are nowhere else.
fn read_body(
    protocol: Protocol,
    body: Body,
    input: &mut dyn Shape,
    seen: &mut Seen,
    report: &mut Report,
) -> Result<(), Malformed> {
    let Some((index, member)) = input.schema().payload() else {
        let in_body = |member: &Member| member.location == Location::Body;
        if !input.schema().members().iter().any(in_body) {
            return Ok(());
        }
        let bytes = bytes(body, report)?;
        return match protocol {
            _ if bytes.is_empty() => Ok(()),
            Protocol::RestXml => {
                report.has_document(input.schema().members());
                let root = from_xml(&bytes, report)?;
                read_members(&root, Dialect::Xml, input, seen, report)
            }
            _ => read_json(&bytes, input, Some(seen), report),
        };
    };
    let value = input.member_mut(index);
    let there = report
        .in_member(member.name, |report| read_payload(protocol, member, body, value, report))?;
    if there {
        seen.add(index);
    }
    Ok(())
}

fn read_payload(
    protocol: Protocol,
    member: &'static Member,
    body: Body,
    value: &mut dyn Value,
    report: &mut Report,
) -> Result<bool, Malformed> {
    if matches!(member.schema.kind, Kind::Stream) {
        return Ok(value.set_body(body).is_ok());
    }
    let bytes = bytes(body, report)?;
    if bytes.is_empty() {
        if matches!(member.schema.kind, Kind::Structure(_)) {
            report.lacks_document(member);
        }
        return Ok(false);
    }
    match member.schema.kind {
        Kind::Blob => Ok(value.set(Scalar::Blob(bytes)).is_ok()),
        Kind::Document => match serde_json::from_slice::<Json>(&bytes) {
            Ok(json) => Ok(value.set(Scalar::Document(json)).is_ok()),
            Err(error) => Err(json::unreadable(&error, report)),
        },
        Kind::Structure(_) if protocol == Protocol::RestXml => {
            report.has_document(std::slice::from_ref(member));
            let root = from_xml(&bytes, report)?;
            let Some(shape) = value.structure() else { return Ok(false) };
            let mut seen = Seen::default();
            read_members(&root, Dialect::Xml, shape, &mut seen, report)?;
            report.missing(shape.schema().members(), &seen);
            Ok(true)
        }
        Kind::Structure(_) | Kind::List(_) | Kind::Map(_) => {
            let mut from = serde_json::Deserializer::from_slice(&bytes);
            json::read_value(&mut from, member.schema, value, report).map(|()| true)
        }
        _ => match std::str::from_utf8(&bytes) {
            Ok(text) => text::set(text, member.schema, value, report).map(|()| true),
            Err(_) => Err(report.malformed("the body is not UTF-8")),
        },
    }
}
