//! Pure rules: names, attributes, messages, batches, digests.

pub(crate) mod attributes;
pub(crate) mod batch;
pub(crate) mod digest;
pub(crate) mod message;
pub(crate) mod name;
pub(crate) mod policy;
pub(crate) mod receipt;
pub(crate) mod redrive;
pub(crate) mod url;
