//! What is due when: schedules by their next instants, and the marks of how far each has come.
//!
//! The table is in memory and made from rows at any time; the marks are in kv. A room sends what
//! is due and notes it in one kv batch, so that an instant is sent when its mark is on disk and
//! not otherwise.
//!
//! **Invariant:** an instant is answered once ([`Timetable::note`] goes on to the next), across
//! restarts too. **Invariant:** instants that were missed for longer than [`LATE_MAX`], while haar
//! was away, are made up for by the latest of them alone.
//!
//! Begin with [`Timetable`], then [`run`].

mod run;
mod table;

pub use run::{Timed, run, send_due};
pub use table::{Due, Entry, LATE_MAX, Timetable};
