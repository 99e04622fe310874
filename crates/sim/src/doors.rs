//! What a simulated process gets in place of the real doors.

use haar_clock::{Clock, IdSource};
use haar_kv::Kv;
use haar_ledger::Ledger;

/// The doors of one simulated process. Cheap to clone.
#[derive(Clone)]
pub struct SimDoors {
    /// Simulated time; goes on across crashes.
    pub clock: Clock,
    /// Seeded chance.
    pub ids: IdSource,
    /// Control state on a simulated disk, which takes some milliseconds.
    pub ledger: Ledger,
    /// Customer records; what is written survives a crash of the process.
    pub kv: Kv,
}
