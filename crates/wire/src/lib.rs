//! The AWS protocols; knows no service.
//!
//! Generated code gives each shape a static table ([`Schema`]) and three small methods
//! ([`Shape`]); one codec per protocol walks tables and values together, so code grows with
//! shapes plus protocols, not with their product.
//!
//! **Invariant:** nothing a client sends makes this crate panic, and what it answers names
//! neither memory nor files of the host.
//!
//! Begin with [`Shape`] and [`Value`] for what codecs see, [`Schema`] for the tables,
//! [`detect`], [`decode`] and [`encode`] for one request.

mod body;
mod cbor;
mod constraints;
mod decode;
mod detect;
mod encode;
mod error;
mod events;
mod frames;
mod headers;
mod host;
mod json;
mod operation;
mod params;
mod paths;
mod pattern;
mod report;
mod schema;
mod shape;
pub mod sigv2;
pub mod sigv4;
mod strangers;
mod text;
mod timestamp;
mod tree;
mod value;
mod xml;

pub use body::{Body, BodyError, Trailers};
pub use decode::{Judge, Misread, decode, decode_into, decode_judged};
pub use detect::{Catalogue, Refusal, Route, detect, is_form};
pub use encode::{encode, encode_error, encode_error_as};
pub use error::{AwsError, is_throttling};
pub use events::{Event, EventFrames, EventStream};
pub use host::path as labelled_path;
pub use json::{from_json, from_json_into, json_member, restore, to_json};
pub use operation::{
    ErrorStyle, Http, Lane, MissingStyle, Operation, OperationSchema, Paginator, Protocol,
    ServiceSchema, Tagging, Unlisted, Wording, XmlRoot,
};
pub use params::spaced as spaced_path;
pub use pattern::customers_regex;
pub use schema::{
    ErrorTrait, Fault, Kind, ListSchema, Location, MapSchema, Member, Pattern, Schema,
    StructSchema, TimestampFormat,
};
pub use shape::{Shape, ShapeError, debug, same, structures, text_member, text_members};
pub use value::{Json, List, Map, Refused, Scalar, Value, View};

/// For the generated code's macros.
pub use serde;
pub use strangers::is_service;
