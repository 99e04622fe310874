//! What every room says of itself.

use std::sync::Arc;
use std::time::Duration;

use haar_ledger::Snapshot;
use haar_policy::Document;
use haar_wire::{
    AwsError, Body, Json, Member, Misread, OperationSchema, Route, ServiceSchema, Shape,
};
use http::Response;
use http::request::Parts;

use crate::gate::resource_of;
use crate::{Call, TOKEN_LIFETIME, idempotency};

/// A service's room: where its operations live, and what the gate must know of its resources.
pub trait Room: Send + Sync + 'static {
    /// The service, from its generated model.
    fn service(&self) -> &'static ServiceSchema;

    /// The resources that a call is about, for its authorisation. By default the operation's
    /// template from `operations.toml` with the call's own members put in.
    fn resources(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<String> {
        vec![resource_of(operation, call, input)]
    }

    /// The policy that a resource carries itself, if any.
    fn resource_policy(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        _resource: &str,
    ) -> Option<Arc<Document>> {
        None
    }

    /// Has a say once policies allow a call and before its handler runs; EC2 answers its dry
    /// runs here, and S3 weighs ACLs.
    ///
    /// # Errors
    /// What the caller is answered instead of the handler's answer.
    fn admit(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        _operation: &'static OperationSchema,
        _input: &dyn Shape,
    ) -> Result<(), AwsError> {
        Ok(())
    }

    /// True for an operation that the room weighs by actions of other names, one by one: it tells
    /// of them itself ([`crate::Doors::note`]).
    fn asks_itself(&self, _operation: &'static OperationSchema) -> bool {
        false
    }

    /// True when the service has condition keys about how a request is signed: calls then hold
    /// [`Call::signature`], and signatures of version 2 are taken.
    fn weighs_signatures(&self) -> bool {
        false
    }

    /// What becomes of a value in a request's head that its member cannot hold, where the service
    /// has words of its own for it.
    fn misread(&self, _member: &Member, _text: &str) -> Misread {
        Misread::Usual
    }

    /// Looks at a body that is whole before it is read: whether it is what the request's head says
    /// of it.
    ///
    /// # Errors
    /// What the caller is answered instead.
    fn examine(&self, _route: &Route, _parts: &Parts, _body: &[u8]) -> Result<(), AwsError> {
        Ok(())
    }

    /// What is told of a request that is for this service and for none of its operations, where it
    /// has words of its own.
    fn misdirected(&self, _parts: &Parts) -> Option<AwsError> {
        None
    }

    /// True when a page of any other site may send this request, although haar lets everybody
    /// in: policies decide on it ([`Call::auth`]).
    fn welcomes(&self, _route: &Route, _parts: &Parts) -> bool {
        false
    }

    /// Adds to an answer what depends on the request's headers, such as S3's CORS headers.
    fn adorn(&self, _route: &Route, _parts: &Parts, _answer: &mut Response<Body>) {}

    /// The service's own condition keys for a call, such as `lambda:FunctionArn`.
    fn condition_keys(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        _operation: &'static OperationSchema,
        _input: &dyn Shape,
    ) -> Vec<(String, Vec<String>)> {
        Vec::new()
    }

    /// The condition keys that one of a call's resources brings: its tags.
    fn resource_keys(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        _resource: &str,
    ) -> Vec<(String, Vec<String>)> {
        Vec::new()
    }

    /// The ARN of what `operation` makes and the request gives tags to, where neither its own
    /// resource nor a template in `operations.toml` says it.
    fn made_by(
        &self,
        _call: &Call,
        _operation: &'static OperationSchema,
        _input: &dyn Shape,
    ) -> Option<String> {
        None
    }

    /// How long a command's idempotency token is remembered; `None` where the room looks after
    /// the operation's tokens itself.
    fn token_lifetime(&self, _operation: &'static OperationSchema) -> Option<Duration> {
        Some(TOKEN_LIFETIME)
    }

    /// What a caller hears whose token came before with other parameters; `earlier` is the
    /// answer that it got then.
    fn token_reused(
        &self,
        operation: &'static OperationSchema,
        token: &str,
        _earlier: &Json,
    ) -> AwsError {
        idempotency::reused(operation, token)
    }

    /// Has the last word on an answer that is not an error, such as a checksum in its head.
    fn finish(&self, _answer: &mut http::Response<haar_wire::Body>) {}
}
