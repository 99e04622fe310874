//! What must not be done to a sandbox's control groups at the same time. This server freezes them
//! and reads them without asking the helper, which gives them to another when their sandbox is
//! gone.

use std::sync::Arc;

use haar_substrate::{SandboxId, SubstrateError};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

/// Of one sandbox.
#[derive(Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    /// Nothing is beginning in it any more.
    begun: Notify,
}

#[derive(Default)]
pub(super) struct State {
    /// Programs that are being started: one that stands still before it has begun would keep the
    /// helper waiting.
    beginning: usize,
    /// Removals that are under way, or have been done.
    leaving: usize,
}

/// A program is being started, for as long as this lives.
pub(super) struct Beginning(Arc<Gate>);

/// A sandbox is being removed; dropped before that is done, it is not.
pub(super) struct Leaving(Arc<Gate>, bool);

impl Gate {
    /// Says that a program is being started.
    pub(super) fn begin(self: &Arc<Self>) -> Beginning {
        self.state.lock().beginning += 1;
        Beginning(Arc::clone(self))
    }

    /// Says that the sandbox is being removed: nobody looks at its groups from now on.
    pub(super) fn leave(self: &Arc<Self>) -> Leaving {
        self.state.lock().leaving += 1;
        Leaving(Arc::clone(self), false)
    }

    /// Its groups are its own for as long as this is held.
    pub(super) fn enter(&self, id: &SandboxId) -> Result<MutexGuard<'_, State>, SubstrateError> {
        let state = self.state.lock();
        match state.leaving {
            0 => Ok(state),
            _ => Err(SubstrateError::Gone(id.clone())),
        }
    }

    /// Does so to its groups when nothing is beginning in it.
    pub(super) async fn when_begun<T>(
        &self,
        id: &SandboxId,
        work: impl Fn() -> Result<T, SubstrateError>,
    ) -> Result<T, SubstrateError> {
        loop {
            let begun = self.begun.notified();
            {
                let state = self.enter(id)?;
                if state.beginning == 0 {
                    return work();
                }
            }
            begun.await;
        }
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.beginning -= 1;
        if state.beginning == 0 {
            self.0.begun.notify_waiters();
        }
    }
}

impl Leaving {
    /// The sandbox is gone.
    pub(super) fn done(mut self) {
        self.1 = true;
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if !self.1 {
            self.0.state.lock().leaving -= 1;
        }
    }
}
