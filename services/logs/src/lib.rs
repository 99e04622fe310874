//! Amazon CloudWatch Logs: log groups, log streams, and the events in them.
//!
//! Groups and streams are rows of the ledger, events are records in kv. Lines from other
//! rooms come in through the [`LogSink`](haar_logs_contract::peek::LogSink), buffered.
//!
//! **Invariant:** events are found by the ids of their group's and stream's incarnation, so a
//! new group of an old name starts empty, however far the sweeper has come.
//!
//! Begin with `reading` for how pages of events are found, and `rules::filter_pattern`.

mod events;
mod reading;
mod rules;
mod state;
