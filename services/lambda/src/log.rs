//! What environments write to their log streams: the function's own lines, and the platform's.
//!
//! One journal per environment puts everything in order: an invocation's END and REPORT come
//! after all that the function wrote before it answered, and before the next START.

mod journal;
mod lines;
mod splitter;

pub(crate) use journal::{Ending, Journal, JournalParts};
pub(crate) use lines::{InitPhase, InitReport, Lines, Report, Status};
