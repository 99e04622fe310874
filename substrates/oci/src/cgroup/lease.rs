//! Whose a group is. One that is used again is another's from then on: whoever knew it before that
//! must not change it any more, however late he comes.

use std::io;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

/// One use of a group, shared by all who know it by that.
#[derive(Clone, Debug, Default)]
pub(super) struct Lease(Arc<Mutex<Term>>);

/// How a use stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Term {
    /// Nothing was done to the group but what its members' ends undo.
    #[default]
    Clean,
    /// It is not to be used again.
    Spoiled,
    /// Somebody else has it.
    Over,
}

impl Lease {
    /// Keeps it as it is meanwhile. As with a group that was removed, nothing is found once it is
    /// over.
    pub(super) fn hold(&self) -> io::Result<MutexGuard<'_, Term>> {
        let term = self.0.lock();
        match *term {
            Term::Over => Err(io::Error::from_raw_os_error(libc::ENOENT)),
            Term::Clean | Term::Spoiled => Ok(term),
        }
    }

    /// The group is not to be used again.
    pub(super) fn spoil(&self) {
        if let Ok(mut term) = self.hold() {
            *term = Term::Spoiled;
        }
    }
}
