//! Pure functions.

pub(crate) mod digests;
pub(crate) mod glob;
pub(crate) mod hosts;
pub(crate) mod lifecycle;
pub(crate) mod manifest;
pub(crate) mod mutability;
pub(crate) mod names;
pub(crate) mod policy_texts;
pub(crate) mod prefix;
pub(crate) mod tags;
