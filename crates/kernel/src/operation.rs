//! One operation, from bytes to bytes. Nothing here is made anew for each operation's types: what
//! an operation is asked with and what it answers travel as boxed shapes.

use std::any::Any;
use std::sync::Arc;

use haar_wire::{AwsError, Body, Json, Member, OperationSchema, Route, Shape};
use http::Response;
use http::request::Parts;

use crate::lanes::Handle;
use crate::telemetry::Counts;
use crate::{Call, Kernel, Room, gate};

/// What a handler answers, whatever its type.
pub(crate) type Erased = Result<Box<dyn Shape>, AwsError>;

/// An operation with the room that serves it.
pub(crate) struct Entry {
    room: Arc<dyn Room>,
    lane: Box<dyn Handle>,
    pub(crate) schema: &'static OperationSchema,
    pub(crate) counts: Counts,
}

impl Entry {
    pub(crate) fn new(
        room: Arc<dyn Room>,
        lane: Box<dyn Handle>,
        schema: &'static OperationSchema,
    ) -> Self {
        Self { room, lane, schema, counts: Counts::default() }
    }

    /// Authorises and handles.
    pub(crate) async fn call(&self, kernel: &Kernel, call: Call, input: Box<dyn Shape>) -> Erased {
        gate::authorise(kernel, &*self.room, &call, self.schema, &*input)?;
        let ledger = &kernel.doors().ledger;
        self.room.admit(&call, &ledger.snapshot(), self.schema, &*input)?;
        self.lane.handle(ledger, call, input).await
    }

    /// The same for an input that is JSON, for those who know the operation by name.
    pub(crate) async fn call_json(
        &self,
        kernel: &Kernel,
        call: Call,
        json: Json,
    ) -> Result<Json, AwsError> {
        let mut input = (self.schema.new_input)();
        haar_wire::from_json_into(json, &mut *input)
            .map_err(|error| AwsError::validation(self.schema.service, error.to_string()))?;
        let output = self.call(kernel, call, input).await?;
        Ok(haar_wire::to_json(&*output))
    }

    /// Decodes, authorises, handles, encodes.
    pub(crate) async fn serve(
        &self,
        kernel: &Kernel,
        call: Call,
        route: &Route,
        parts: &Parts,
        body: Body,
    ) -> Result<Response<Body>, AwsError> {
        let mut input = (self.schema.new_input)();
        let judge = |member: &Member, text: &str| self.room.misread(member, text);
        haar_wire::decode_judged(route, (parts, body), &mut *input, &judge)?;
        let request_id = call.request_id.clone();
        let mut output = self.call(kernel, call, input).await?;
        let mut answer =
            haar_wire::encode(route.protocol, route.operation, &mut *output, &request_id);
        self.room.finish(&mut answer);
        Ok(answer)
    }

    /// Whether the room's policies look at how a request is signed.
    pub(crate) fn weighs_signatures(&self) -> bool {
        self.room.weighs_signatures()
    }

    /// Whether a whole body is what the request's head says of it.
    pub(crate) fn examine(
        &self,
        route: &Route,
        parts: &Parts,
        body: &[u8],
    ) -> Result<(), AwsError> {
        self.room.examine(route, parts, body)
    }

    /// Whether the room lets a page of another site send a request.
    pub(crate) fn welcomes(&self, route: &Route, parts: &Parts) -> bool {
        self.room.welcomes(route, parts)
    }

    /// Adds what the room adds to answers, errors too.
    pub(crate) fn adorn(&self, route: &Route, parts: &Parts, answer: &mut Response<Body>) {
        self.room.adorn(route, parts, answer);
    }
}

/// The shape that is known to be in the box.
pub(crate) fn unboxed<T: Shape>(shape: Box<dyn Shape>) -> T {
    let shape: Box<dyn Any> = shape;
    *shape.downcast().expect("an operation's own table makes its shapes")
}
