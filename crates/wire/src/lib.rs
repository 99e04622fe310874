//! The AWS protocols; knows no service.

pub mod sigv4;
