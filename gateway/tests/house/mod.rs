//! A gateway before a kernel without rooms, in memory.

#![allow(unreachable_pub, clippy::unwrap_used)]

use std::sync::Arc;

use haar_blobs::Blobs;
use haar_clock::{Clock, IdSource};
use haar_gateway::Gateway;
use haar_kernel::{Auth, DoorParts, Doors, KernelBuilder, NoIdentities, NoMeter, Settings, Site};
use haar_kv::Kv;
use haar_ledger::Ledger;
use haar_substrate::sim::SimSubstrate;
use tokio_util::sync::CancellationToken;

/// One that hands everything to this site.
pub fn before(site: Arc<dyn Site>, auth: Auth, stopping: &CancellationToken) -> Arc<Gateway> {
    let (clock, ids) = (Clock::system(), IdSource::seeded(3));
    let doors = Doors::new(DoorParts {
        clock: clock.clone(),
        ids: ids.clone(),
        ledger: Ledger::ephemeral(haar_ledger::Tables::default()),
        kv: Kv::ephemeral(),
        blobs: Blobs::ephemeral(ids).unwrap(),
        substrate: Arc::new(SimSubstrate::new(clock.clone())),
        meter: Arc::new(NoMeter),
        settings: Settings { auth, ..Settings::default() },
    });
    let kernel = KernelBuilder::new(doors, Arc::new(NoIdentities)).build();
    Gateway::new(kernel, clock, vec![site], Vec::new(), stopping.clone())
}
