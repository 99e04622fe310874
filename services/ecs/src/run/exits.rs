//! How a container's end is shown.

use haar_substrate::Exit;
use haar_types::Timestamp;

use crate::state::{TaskContainer, TaskStatus};

/// What is added to a signal's number to make an exit code.
const SIGNALLED: i32 = 128;

/// The exit code that AWS shows.
pub(crate) fn code(exit: Exit) -> Option<i32> {
    exit.code.or_else(|| exit.signal.map(|signal| SIGNALLED + signal))
}

/// Writes down that a run has ended. Another run's end, or a second end, changes nothing.
pub(crate) fn record(container: &mut TaskContainer, attempt: u32, exit: Exit, at: Timestamp) {
    if container.attempt != attempt || container.last_status == TaskStatus::Stopped {
        return;
    }
    container.last_status = TaskStatus::Stopped;
    container.finished_at = Some(at);
    container.exit_code = code(exit);
    if exit.out_of_memory {
        let reason = "OutOfMemoryError: Container killed due to memory usage";
        container.reason = Some(reason.to_owned());
    }
}
