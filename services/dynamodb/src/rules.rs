//! What DynamoDB lays down, by values alone.

pub(crate) mod codec;
pub(crate) mod definition;
pub(crate) mod encryption;
pub(crate) mod expression;
pub(crate) mod key_bytes;
pub(crate) mod key_condition;
pub(crate) mod legacy;
pub(crate) mod number;
pub(crate) mod partiql;
pub(crate) mod schema;
pub(crate) mod throughput;
pub(crate) mod value;
