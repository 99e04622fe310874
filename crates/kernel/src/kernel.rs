//! The request pipeline.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use haar_types::{Region, RequestId};
use haar_wire::{
    AwsError, Body, Catalogue, Json, Operation, OperationSchema, Refusal, Route, ServiceSchema,
};
use http::header::HeaderName;
use http::request::Parts;
use http::{Method, Response};
use serde_json::json;

use crate::flow::{self, Sent};
use crate::gate::{self, Caller};
use crate::inflate::Bodies;
use crate::operation::{Entry, unboxed};
use crate::telemetry::Counts;
use crate::{Answer, Call, Doors, Identities, Lanes, Principal, Room, Settings, pages};

/// Names the trace that a request belongs to.
const TRACE_HEADER: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// A request as the gateway hands it over: whole, bounded, not yet understood.
pub struct Inbound {
    /// Method, path, headers.
    pub parts: Parts,
    /// The whole body.
    pub body: Bytes,
    /// The peer's address.
    pub source_ip: Option<IpAddr>,
}

/// Serves requests: finds the operation, asks the gate, runs its lane, encodes the answer.
pub struct Kernel {
    doors: Doors,
    identities: Arc<dyn Identities>,
    catalogue: Catalogue,
    /// By the address of the schema, which is static and unique.
    entries: BTreeMap<usize, Entry>,
    rooms: Vec<Arc<dyn Room>>,
    not_served: Counts,
}

/// Puts rooms together to a [`Kernel`].
pub struct KernelBuilder {
    doors: Doors,
    identities: Arc<dyn Identities>,
    entries: BTreeMap<usize, Entry>,
    rooms: Vec<Arc<dyn Room>>,
}

impl KernelBuilder {
    /// A kernel without rooms.
    pub fn new(doors: Doors, identities: Arc<dyn Identities>) -> Self {
        Self { doors, identities, entries: BTreeMap::new(), rooms: Vec::new() }
    }

    /// Adds a room with the operations that its generated `lanes.rs` lists.
    #[must_use]
    pub fn room<R: Room>(mut self, room: Arc<R>, lanes: impl FnOnce(&mut Lanes<R>)) -> Self {
        self.rooms.push(Arc::clone(&room) as Arc<dyn Room>);
        let mut all = Lanes::new(room);
        lanes(&mut all);
        self.entries.extend(all.entries.into_iter().map(|entry| (address(entry.schema), entry)));
        self
    }

    /// The kernel; the doors' `call` leads to it from now on.
    pub fn build(self) -> Arc<Kernel> {
        let kernel = Arc::new(Kernel {
            catalogue: Catalogue::new(self.rooms.iter().map(|room| room.service())),
            doors: self.doors,
            identities: self.identities,
            entries: self.entries,
            rooms: self.rooms,
            not_served: Counts::default(),
        });
        kernel.doors.attach(&kernel);
        kernel
    }
}

impl Kernel {
    /// Where a request goes whose body its operation takes as it comes; told by its head alone.
    /// `None` for all others, whose bodies must be whole.
    pub fn streams(&self, parts: &Parts) -> Option<Route> {
        // Forms, whose bodies name their operations, are posted.
        if parts.method != Method::PUT {
            return None;
        }
        let route = haar_wire::detect(&self.catalogue, parts, &Bytes::new()).ok()?;
        route.operation.takes_stream().then_some(route)
    }

    /// Whether a page of another site may send a request for policies to decide on. No form is let
    /// in: its body might name an operation.
    pub fn welcomes(&self, parts: &Parts) -> bool {
        if haar_wire::is_form(parts) {
            return false;
        }
        let Ok(route) = haar_wire::detect(&self.catalogue, parts, &Bytes::new()) else {
            return false;
        };
        let entry = self.entries.get(&address(route.operation));
        entry.is_some_and(|entry| entry.welcomes(&route, parts))
    }

    /// Answers one request; errors are answers too.
    pub async fn serve(&self, inbound: Inbound) -> Response<Body> {
        let Inbound { mut parts, body, source_ip } = inbound;
        if let Some(answer) = pages::preflight(&parts) {
            return answer;
        }
        let bodies = Bodies::of(&parts, body);
        let route = haar_wire::detect(&self.catalogue, &parts, &bodies.plain);
        self.answer(route, &mut parts, Sent::Whole(bodies), source_ip).await
    }

    /// Answers one request whose body is still to come, by a route of [`Self::streams`].
    pub async fn serve_stream(
        &self,
        route: Route,
        mut parts: Parts,
        body: Body,
        source_ip: Option<IpAddr>,
    ) -> Response<Body> {
        self.answer(Ok(route), &mut parts, Sent::Flowing(body), source_ip).await
    }

    async fn answer(
        &self,
        route: Result<Route, Refusal>,
        parts: &mut Parts,
        sent: Sent,
        source_ip: Option<IpAddr>,
    ) -> Response<Body> {
        let request_id = RequestId::new(self.doors.ids.uuid());
        let started = self.doors.clock.moment();
        let (response, counts) = match route {
            Err(mut refusal) => {
                refusal.error = self.words_of(&refusal, parts).unwrap_or(refusal.error);
                let mut response = refusal.response(&request_id);
                pages::adorn(parts, &mut response);
                (response, &self.not_served)
            }
            Ok(route) => {
                let entry = self.entries.get(&address(route.operation));
                let served = self.serve_route(entry, &route, parts, sent, source_ip, &request_id);
                // A handler that panics is a bug; its caller hears so, and nobody else does.
                let served = AssertUnwindSafe(served).catch_unwind().await;
                let mut response = served
                    .unwrap_or_else(|_| Err(panicked(&route, &request_id)))
                    .unwrap_or_else(|error| haar_wire::encode_error(&route, &error, &request_id));
                pages::adorn(parts, &mut response);
                if let Some(entry) = entry {
                    entry.adorn(&route, parts, &mut response);
                }
                (response, entry.map_or(&self.not_served, |entry| &entry.counts))
            }
        };
        let took = self.doors.clock.moment().since(started);
        counts.count(response.status().as_u16(), took);
        tracing::debug!(
            %request_id, method = %parts.method, path = parts.uri.path(),
            status = response.status().as_u16(), ?took, "answered"
        );
        response
    }

    /// What a service says itself of a request that is for none of its operations.
    fn words_of(&self, refusal: &Refusal, parts: &Parts) -> Option<AwsError> {
        let service = refusal.service.filter(|_| refusal.is_misdirected())?;
        let mut rooms = self.rooms.iter();
        let room = rooms.find(|room| std::ptr::eq(room.service(), service))?;
        room.misdirected(parts)
    }

    async fn serve_route(
        &self,
        entry: Option<&Entry>,
        route: &Route,
        parts: &mut Parts,
        sent: Sent,
        source_ip: Option<IpAddr>,
        request_id: &RequestId,
    ) -> Result<Response<Body>, AwsError> {
        let Some(entry) = entry else {
            return Err(AwsError::not_implemented(route.service, route.operation.name));
        };
        let presented = gate::Presented {
            service: route.service.signing_name,
            parts,
            body: sent.whole(),
            may_be_unsigned: !route.operation.signed,
            tells_signature: entry.weighs_signatures(),
            uri: route.operation.http.uri,
        };
        let mut caller = gate::identify(self, route, &presented)?;
        let body = match sent {
            Sent::Whole(bodies) => {
                entry.examine(route, parts, &bodies.plain)?;
                bodies.plain.into()
            }
            Sent::Flowing(body) => flow::prove(route, parts, body, caller.chunks.take())?,
        };
        let call = self.call_of(caller, request_id.clone(), parts, source_ip);
        entry.serve(self, call, route, parts, body).await
    }

    /// Runs an operation for a neighbour.
    pub(crate) async fn call<O: Operation>(
        &self,
        principal: Arc<Principal>,
        region: Region,
        input: O::Input,
    ) -> Answer<O> {
        let Some(entry) = self.entries.get(&address(O::SCHEMA)) else {
            return Err(AwsError::not_implemented(O::SCHEMA.service, O::SCHEMA.name));
        };
        let call = self.doors.call_as(principal, region);
        entry.call(self, call, Box::new(input)).await.map(unboxed)
    }

    /// Runs an operation for a neighbour who knows it by name.
    pub(crate) async fn call_named(
        &self,
        principal: Arc<Principal>,
        region: Region,
        operation: &'static OperationSchema,
        input: Json,
    ) -> Result<Json, AwsError> {
        let Some(entry) = self.entries.get(&address(operation)) else {
            return Err(AwsError::not_implemented(operation.service, operation.name));
        };
        entry.call_json(self, self.doors.call_as(principal, region), input).await
    }

    /// The operations that rooms serve.
    pub(crate) fn served(&self) -> Vec<&'static OperationSchema> {
        self.entries.values().map(|entry| entry.schema).collect()
    }

    pub(crate) fn call_of(
        &self,
        caller: Caller,
        request_id: RequestId,
        parts: &Parts,
        source_ip: Option<IpAddr>,
    ) -> Call {
        let header =
            |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let endpoint = match header(http::header::HOST) {
            Some(host) => ["http://", host].concat().into(),
            None => self.doors.own_endpoint(),
        };
        Call {
            account: caller.principal.account.clone(),
            region: caller.region,
            request_id,
            now: self.doors.clock.now(),
            ids: self.doors.ids.ids(),
            principal: caller.principal,
            auth: self.doors.auth_of(parts),
            endpoint,
            source_ip,
            user_agent: header(http::header::USER_AGENT).map(Arc::from),
            referer: header(http::header::REFERER).map(Arc::from),
            trace: header(TRACE_HEADER).map(Arc::from),
            signature: caller.signature.map(Arc::new),
        }
    }

    /// What the rooms may touch.
    pub fn doors(&self) -> &Doors {
        &self.doors
    }

    /// What the operator chose.
    pub fn settings(&self) -> &Settings {
        &self.doors.settings
    }

    pub(crate) fn identities(&self) -> &dyn Identities {
        &*self.identities
    }

    /// The health document: services by name, this version, and the account and region of callers
    /// that name none.
    pub fn health(&self) -> serde_json::Value {
        // the name that people know: its requests are signed for `monitoring`
        let name = |service: &ServiceSchema| match service.id {
            "cloudwatch" => "cloudwatch",
            _ => service.signing_name,
        };
        let running = |service: &ServiceSchema| (name(service).to_owned(), json!("running"));
        let services: serde_json::Map<_, _> =
            self.rooms.iter().map(|room| room.service()).map(running).collect();
        json!({
            "status": "running",
            "services": services,
            "edition": "haar",
            "version": env!("CARGO_PKG_VERSION"),
            "account_id": self.settings().account.as_str(),
            "region": self.settings().region.as_str(),
        })
    }

    /// The counters as Prometheus text.
    pub fn metrics(&self) -> String {
        let (mut totals, mut seconds) = (String::new(), String::new());
        let served = self.entries.values().map(|entry| {
            let schema = entry.schema;
            (&entry.counts, schema.service.signing_name, schema.name)
        });
        for (counts, service, operation) in served.chain([(&self.not_served, "none", "none")]) {
            counts.write(service, operation, (&mut totals, &mut seconds));
        }
        format!(
            "# HELP haar_requests_total Requests that were answered.\n\
             # TYPE haar_requests_total counter\n{totals}\
             # HELP haar_request_seconds How long answers took.\n\
             # TYPE haar_request_seconds histogram\n{seconds}"
        )
    }
}

fn panicked(route: &Route, request_id: &RequestId) -> AwsError {
    let operation = route.operation.name;
    tracing::error!(%request_id, operation, "a handler panicked");
    AwsError::internal_failure("The request processing has failed because of an unknown error.")
}

fn address(schema: &'static OperationSchema) -> usize {
    std::ptr::from_ref(schema).addr()
}
