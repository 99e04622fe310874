//! What one batch goes through: enrichment, then the target, each behind its template.
//!
//! AWS docs: *Amazon EventBridge User Guide > EventBridge Pipes execution steps*.

mod consumer;
mod discard;
mod enrich;
mod event;
mod failure;
mod journal;
mod run;
mod send;

pub(crate) use consumer::PipeConsumer;
