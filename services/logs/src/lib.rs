//! Amazon CloudWatch Logs: log groups, log streams, and the events in them.
//!
//! Begin with [`rules`] for what a filter pattern matches.

mod rules;
