//! What environments write to their log streams: the function's own lines, and the platform's.
//!
//! One journal per environment puts everything in order: an invocation's END and REPORT come
//! after all that the function wrote before it answered, and before the next START. What it
//! writes it also tells to those who subscribed to [`crate::telemetry`].

mod journal;
mod lines;
mod records;
mod splitter;

pub(crate) use journal::{Ending, Entries, Journal, JournalParts, Output};
pub(crate) use lines::{Done, InitPhase, InitReport, Lines, Report, Span, Status};
pub(crate) use records::{ExtensionState, Start, Subscribed, Trace};
