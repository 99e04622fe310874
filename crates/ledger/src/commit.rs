//! The way from memory to disk.

use tokio::sync::oneshot;

use crate::LedgerError;

/// A transaction that is in memory and on its way to disk.
///
/// A transaction that broke an invariant is in neither: its error comes out here too.
#[must_use = "a change is only safe once `durable` returned; say `early` where that is not needed"]
#[derive(Debug)]
pub struct Committed<T> {
    pub(crate) value: T,
    pub(crate) ack: Ack,
}

#[derive(Debug)]
pub(crate) enum Ack {
    Done(Result<(), LedgerError>),
    Waits(oneshot::Receiver<Result<(), LedgerError>>),
}

impl<T> Committed<T> {
    /// Waits until it is on disk (in memory, for an ephemeral ledger).
    pub async fn durable(self) -> Result<T, LedgerError> {
        match self.ack {
            Ack::Done(outcome) => outcome?,
            Ack::Waits(ack) => ack.await.unwrap_or(Err(LedgerError::Closed))?,
        }
        Ok(self.value)
    }

    /// Waits likewise by blocking the thread: from async code only with an ephemeral ledger,
    /// where there is nothing to wait for.
    pub fn wait(self) -> Result<T, LedgerError> {
        match self.ack {
            Ack::Done(outcome) => outcome?,
            Ack::Waits(mut ack) => match ack.try_recv() {
                Ok(outcome) => outcome?,
                Err(_) => ack.blocking_recv().unwrap_or(Err(LedgerError::Closed))?,
            },
        }
        Ok(self.value)
    }

    /// The value, before it is known whether it is on disk: for what is undone when it is not.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The value without waiting: a crash within the next milliseconds may undo the change.
    pub fn early(self) -> Result<T, LedgerError> {
        if let Ack::Done(outcome) = self.ack {
            outcome?;
        }
        Ok(self.value)
    }
}
