//! The operations, one file per noun.

mod account;
mod alias;
mod code;
mod code_signing;
pub(crate) mod code_storage;
mod concurrency;
mod event_invoke;
mod event_source_mapping;
mod function;
mod function_code;
mod function_code_signing;
mod function_configuration;
mod invoke;
mod layer;
mod layer_permission;
mod listing;
mod permission;
mod provisioned;
mod recursion;
mod runtime_management;
mod scaling;
mod tag;
mod url;
mod version;

use haar_wire::Operation;

/// What an operation is asked with.
type Input<O> = <O as Operation>::Input;
