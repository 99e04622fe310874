//! One operation, from bytes to bytes.

use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use haar_wire::{AwsError, Body, Json, Operation, OperationSchema, Route};
use http::Response;
use http::request::Parts;

use crate::lanes::Handle;
use crate::telemetry::Counts;
use crate::{Answer, Call, Kernel, Room};

/// An operation that can be served without knowing its types.
pub(crate) trait Entry: Send + Sync {
    fn schema(&self) -> &'static OperationSchema;

    fn counts(&self) -> &Counts;

    /// Authorises and handles an input that is JSON, for those who know the operation by name.
    fn call_json<'a>(
        &'a self,
        kernel: &'a Kernel,
        call: Call,
        input: Json,
    ) -> BoxFuture<'a, Result<Json, AwsError>>;

    /// Decodes, authorises, handles, encodes.
    fn serve<'a>(
        &'a self,
        kernel: &'a Kernel,
        call: Call,
        route: &'a Route,
        parts: &'a Parts,
        body: Body,
    ) -> BoxFuture<'a, Result<Response<Body>, AwsError>>;

    /// Adds what the room adds to answers, errors too.
    fn adorn(&self, route: &Route, parts: &Parts, answer: &mut Response<Body>);
}

/// An operation that a room calls on another.
pub(crate) trait InProcess<O: Operation>: Send + Sync {
    /// Authorises and handles.
    fn call<'a>(
        &'a self,
        kernel: &'a Kernel,
        call: Call,
        input: O::Input,
    ) -> BoxFuture<'a, Answer<O>>;
}

pub(crate) struct TypedEntry<O: Operation, R> {
    pub(crate) room: Arc<R>,
    pub(crate) lane: Box<dyn Handle<O>>,
    pub(crate) counts: Counts,
    pub(crate) operation: PhantomData<fn() -> O>,
}

impl<O: Operation, R: Room> Entry for TypedEntry<O, R> {
    fn schema(&self) -> &'static OperationSchema {
        O::SCHEMA
    }

    fn counts(&self) -> &Counts {
        &self.counts
    }

    fn call_json<'a>(
        &'a self,
        kernel: &'a Kernel,
        call: Call,
        input: Json,
    ) -> BoxFuture<'a, Result<Json, AwsError>> {
        async move {
            let input = haar_wire::from_json::<O::Input>(input)
                .map_err(|error| AwsError::validation(O::SCHEMA.service, error.to_string()))?;
            let output = self.call(kernel, call, input).await?;
            Ok(haar_wire::to_json(&output))
        }
        .boxed()
    }

    fn serve<'a>(
        &'a self,
        kernel: &'a Kernel,
        call: Call,
        route: &'a Route,
        parts: &'a Parts,
        body: Body,
    ) -> BoxFuture<'a, Result<Response<Body>, AwsError>> {
        async move {
            let mut input = O::Input::default();
            haar_wire::decode_into(route, parts, body, &mut input)?;
            let request_id = call.request_id.clone();
            let output = self.call(kernel, call, input).await?;
            let mut answer = haar_wire::encode::<O>(route, output, &request_id);
            self.room.finish(&mut answer);
            Ok(answer)
        }
        .boxed()
    }

    fn adorn(&self, route: &Route, parts: &Parts, answer: &mut Response<Body>) {
        self.room.adorn(route, parts, answer);
    }
}

impl<O: Operation, R: Room> InProcess<O> for TypedEntry<O, R> {
    fn call<'a>(
        &'a self,
        kernel: &'a Kernel,
        call: Call,
        input: O::Input,
    ) -> BoxFuture<'a, Answer<O>> {
        let allowed = kernel.authorise::<R>(&self.room, &call, O::SCHEMA, &input);
        let snapshot = kernel.doors().ledger.snapshot();
        let admitted = allowed.and_then(|()| self.room.admit(&call, &snapshot, O::SCHEMA, &input));
        if let Err(denial) = admitted {
            return std::future::ready(Err(denial)).boxed();
        }
        self.lane.handle(&kernel.doors().ledger, call, input)
    }
}
