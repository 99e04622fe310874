//! The one place that is not there yet: finding an operation, reading and writing its messages.
use crate::*;
use bytes::Bytes;
use haar_types::RequestId;
pub struct Route { pub service: &'static ServiceSchema, pub operation: &'static OperationSchema, pub protocol: Protocol }
pub struct Refusal;
impl Refusal { pub fn response(&self, _: &RequestId) -> http::Response<Body> { unimplemented!() } }
pub struct Catalogue;
impl Catalogue { pub fn new(_: Vec<&'static ServiceSchema>) -> Self { Self } }
pub fn detect(_: &Catalogue, _: &http::request::Parts, _: &Bytes) -> Result<Route, Refusal> { unimplemented!() }
pub fn decode<O: Operation>(_: &Route, _: &http::request::Parts, _: Bytes) -> Result<O::Input, AwsError> { unimplemented!() }
pub fn encode<O: Operation>(_: &Route, _: O::Output, _: &RequestId) -> http::Response<Body> { unimplemented!() }
pub fn encode_error(_: &Route, _: &AwsError, _: &RequestId) -> http::Response<Body> { unimplemented!() }
