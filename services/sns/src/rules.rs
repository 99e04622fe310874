//! Pure rules: names, attributes, messages, envelopes, filters, delays.

pub(crate) mod archive;
pub(crate) mod attributes;
pub(crate) mod batch;
pub(crate) mod delivery_policy;
pub(crate) mod envelope;
pub(crate) mod filter;
pub(crate) mod message;
pub(crate) mod subscriber;
pub(crate) mod topic;
