//! The AWS protocols; knows no service.
