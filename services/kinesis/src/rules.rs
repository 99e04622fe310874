//! Pure rules.

pub(crate) mod bucket;
pub(crate) mod hash_key;
pub(crate) mod iterator;
pub(crate) mod reshard;
pub(crate) mod retention;
pub(crate) mod sequence;
pub(crate) mod shard_filter;
