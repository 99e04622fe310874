//! The way from memory to disk.

use std::sync::Arc;

use crate::LedgerError;
use crate::group::Waits;

/// A transaction that is in memory and on its way to disk.
///
/// A transaction that broke an invariant is in neither: its error comes out here too. One that is
/// kept and neither awaited nor dropped may stay in memory alone until one of the two.
#[must_use = "a change is only safe once `durable` returned; say `early` where that is not needed"]
#[derive(Debug)]
pub struct Committed<T> {
    pub(crate) value: T,
    pub(crate) ack: Ack,
}

#[derive(Debug)]
pub(crate) enum Ack {
    Done(Result<(), LedgerError>),
    Waits(Waits),
    /// Who waits may bring it to the disk as well.
    Carries(Carrier, Waits),
}

/// Brings commits to the disk, on whichever thread.
pub(crate) trait Carry: Send + Sync {
    /// On this one, or on the ledger's own where somebody is at it.
    fn carry(&self);
    /// On the ledger's own.
    fn pass_on(&self);
}

/// A commit that nobody brings to the disk yet. Whoever drops it leaves that to the ledger's thread.
pub(crate) struct Carrier(Option<Arc<dyn Carry>>);

impl Carrier {
    pub(crate) fn new(ledger: Arc<dyn Carry>) -> Self {
        Self(Some(ledger))
    }

    fn carry(mut self) {
        if let Some(ledger) = self.0.take() {
            ledger.carry();
        }
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        if let Some(ledger) = self.0.take() {
            ledger.pass_on();
        }
    }
}

impl std::fmt::Debug for Carrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Carrier")
    }
}

impl<T> Committed<T> {
    /// Waits until it is on disk (in memory, for an ephemeral ledger).
    pub async fn durable(self) -> Result<T, LedgerError> {
        match self.ack {
            Ack::Done(outcome) => outcome?,
            Ack::Waits(ack) => ack.await?,
            Ack::Carries(carrier, ack) => {
                carrier.carry();
                ack.await?;
            }
        }
        Ok(self.value)
    }

    /// Waits likewise by blocking the thread: from async code only with an ephemeral ledger,
    /// where there is nothing to wait for.
    pub fn wait(self) -> Result<T, LedgerError> {
        match self.ack {
            Ack::Done(outcome) => outcome?,
            Ack::Waits(ack) => ack.block()?,
            Ack::Carries(carrier, ack) => {
                carrier.carry();
                ack.block()?;
            }
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
