//! What every room says of itself.

use std::sync::Arc;

use haar_ledger::Snapshot;
use haar_policy::Document;
use haar_wire::{OperationSchema, ServiceSchema, Shape};

use crate::Call;
use crate::gate::resource_of;

/// A service's room: where its operations live, and what the gate must know of its resources.
pub trait Room: Send + Sync + 'static {
    /// The service, from its generated model.
    const SERVICE: &'static ServiceSchema;

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
}
