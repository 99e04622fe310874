//! API destinations, for the rooms that call them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use haar_kernel::Principal;
use haar_kernel::targets::Undelivered;
use haar_types::Region;

/// One call of a destination; nothing in it is a path any more.
#[derive(Clone, Debug)]
pub struct DestinationCall {
    /// The destination.
    pub arn: String,
    /// Who calls; asked for `events:InvokeApiDestination`.
    pub principal: Arc<Principal>,
    /// Where the caller is.
    pub region: Region,
    /// What fills the stars of the endpoint.
    pub path_parameter_values: Vec<String>,
    /// Headers.
    pub header_parameters: BTreeMap<String, String>,
    /// The query.
    pub query_string_parameters: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

/// What an endpoint answered; always a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationAnswer {
    /// 200 to 299.
    pub status: u16,
    /// The answer's body, whole.
    pub body: Bytes,
}

/// Calls API destinations.
pub trait ApiDestinations: Send + Sync + 'static {
    /// Calls one and waits for its answer; anything but a success is refused.
    fn call(&self, call: DestinationCall) -> BoxFuture<'_, Result<DestinationAnswer, Undelivered>>;
}
