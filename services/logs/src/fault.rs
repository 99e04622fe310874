//! Why the room could not read or write; the customer hears `ServiceUnavailableException`.

use haar_kv::KvError;
use haar_ledger::LedgerError;

/// A failure below the room.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Of the events.
    #[error("could not reach the log events")]
    Events(#[from] KvError),
    /// Of groups and streams.
    #[error("could not commit to the ledger")]
    Ledger(#[from] LedgerError),
}
