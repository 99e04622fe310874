//! Events in `application/vnd.amazon.eventstream` frames.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use futures_core::Stream;

use crate::body::BodyError;
use crate::events::{Event, EventFrames};
use crate::json;
use crate::operation::Protocol;
use crate::schema::{Location, Schema, TimestampFormat};
use crate::shape::set_members;
use crate::value::View;
use crate::{AwsError, Body, Shape, cbor, encode, text};

/// Most bodies are shorter.
const BODY_USUAL: usize = 1024;

/// Marks a header's value as text.
const STRING: u8 = 7;

/// A body of frames: the initial answer where the protocol has one, then each event.
pub(crate) fn body(
    events: EventFrames,
    union: &'static Schema,
    protocol: Protocol,
    initial: Option<Bytes>,
) -> Body {
    let first = initial.map(|payload| {
        let kind = encode::content_type(protocol);
        frame(&[("event-type", "initial-response"), ("content-type", kind), EVENT], &payload)
    });
    Body::stream(Frames { first, events: Some(events), union, protocol })
}

const EVENT: (&str, &str) = ("message-type", "event");

struct Frames {
    first: Option<Bytes>,
    events: Option<EventFrames>,
    union: &'static Schema,
    protocol: Protocol,
}

impl Stream for Frames {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let Some(events) = self.events.as_mut() else { return Poll::Ready(None) };
        let next = std::task::ready!(events.as_mut().poll_next(cx));
        Poll::Ready(match next {
            Some(Ok(event)) => Some(Ok(event_frame(&*event, self.protocol))),
            Some(Err(error)) => {
                self.events = None;
                Some(Ok(error_frame(&error, self.union, self.protocol)))
            }
            None => None,
        })
    }
}

fn event_frame(event: &dyn Event, protocol: Protocol) -> Bytes {
    let (member, shape) = event.event();
    let (kind, payload) = payload(shape, protocol);
    let extra: Vec<(&str, String)> = set_members(shape)
        .filter(|(_, member, _)| member.location == Location::Header)
        .filter_map(|(_, member, view)| {
            let format = TimestampFormat::EpochSeconds;
            Some((member.wire, text::write(view, member.schema, format)?))
        })
        .collect();
    let mut headers = vec![("event-type", member.name), ("content-type", kind), EVENT];
    headers.extend(extra.iter().map(|(name, value)| (*name, value.as_str())));
    frame(&headers, &payload)
}

fn error_frame(error: &AwsError, union: &'static Schema, protocol: Protocol) -> Bytes {
    let is_it = |member: &&crate::Member| member.schema.name == error.name();
    let member = union.members().iter().find(is_it);
    match (member, error.shape()) {
        (Some(member), Some(shape)) => {
            let (kind, payload) = payload(shape, protocol);
            let mark = ("message-type", "exception");
            frame(&[("exception-type", member.name), ("content-type", kind), mark], &payload)
        }
        _ => {
            let message = ("error-message", error.message());
            frame(&[("error-code", error.name()), message, ("message-type", "error")], &[])
        }
    }
}

/// An event's payload with its content type.
fn payload(shape: &dyn Shape, protocol: Protocol) -> (&'static str, Bytes) {
    if let Some((index, _)) = shape.schema().payload() {
        return match shape.member(index).view() {
            View::Blob(bytes) => ("application/octet-stream", bytes.clone()),
            View::Text(text) => ("text/plain", Bytes::copy_from_slice(text.as_bytes())),
            View::Structure(inner) => {
                (encode::event_content_type(protocol), body_of(inner, protocol))
            }
            _ => ("application/octet-stream", Bytes::new()),
        };
    }
    (encode::event_content_type(protocol), body_of(shape, protocol))
}

/// A structure as the protocol's body.
pub(crate) fn body_of(shape: &dyn Shape, protocol: Protocol) -> Bytes {
    match protocol {
        Protocol::RpcV2Cbor => cbor::write_object(shape, cbor::Times::Seconds).into(),
        Protocol::Cbor11 => cbor::write_object(shape, cbor::Times::Millis).into(),
        Protocol::RestXml | Protocol::Query | Protocol::Ec2 => {
            let mut out = crate::xml::XmlWriter::default();
            out.element(shape.schema().name, None, |out| out.members(shape));
            out.finish().into()
        }
        _ => {
            let mut bytes = Vec::with_capacity(BODY_USUAL);
            json::object(shape).body_only().write(&mut bytes);
            bytes.into()
        }
    }
}

/// One frame; names go out with the colon that AWS's own headers have, others as they are.
fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let mut block = BytesMut::new();
    for (name, value) in headers {
        let own = matches!(
            *name,
            "event-type"
                | "content-type"
                | "message-type"
                | "exception-type"
                | "error-code"
                | "error-message"
        );
        block.put_u8((name.len() + usize::from(own)) as u8);
        if own {
            block.put_u8(b':');
        }
        block.put_slice(name.as_bytes());
        block.put_u8(STRING);
        let value = &value.as_bytes()[..value.len().min(usize::from(u16::MAX))];
        block.put_u16(value.len() as u16);
        block.put_slice(value);
    }
    let mut out = BytesMut::with_capacity(block.len() + payload.len() + 16);
    out.put_u32((block.len() + payload.len() + 16) as u32);
    out.put_u32(block.len() as u32);
    out.put_u32(crc32fast::hash(&out));
    out.put_slice(&block);
    out.put_slice(payload);
    out.put_u32(crc32fast::hash(&out));
    out.freeze()
}
