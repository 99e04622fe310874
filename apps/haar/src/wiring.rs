//! The cloud, put together: stores, substrate, rooms, kernel, driver, gateway.

mod stores;

use std::sync::Arc;

use haar_clock::{Clock, IdSource};
use haar_controller::{ActCx, Driver, DriverHandle};
use haar_gateway::Gateway;
use haar_kernel::{DoorParts, Doors, KernelBuilder, NoIdentities, NoMeter, Settings};
use haar_ledger::Tables;
use haar_substrate::Substrate;
use haar_substrate_oci::{OciConfig, OciSubstrate};
use tokio_util::sync::CancellationToken;

use stores::Stores;

/// A running cloud.
pub(crate) struct Cloud {
    /// Where connections come in.
    pub(crate) gateway: Arc<Gateway>,
    driver: DriverHandle,
    stores: Stores,
}

impl Cloud {
    /// Ends what runs, then closes the stores.
    pub(crate) async fn stop(self) {
        self.driver.stop().await;
        self.stores.close().await;
    }
}

/// Starts a cloud; `stopping` tells its gateway when to end.
pub(crate) async fn start(
    settings: Settings,
    stopping: CancellationToken,
) -> Result<Cloud, String> {
    let (clock, ids) = (Clock::system(), IdSource::system());
    let stores = Stores::open(&settings, tables(), &ids)?;
    let substrate = substrate(&settings).await?;
    let doors = Doors::new(DoorParts {
        clock: clock.clone(),
        ids: ids.clone(),
        ledger: stores.ledger.clone(),
        kv: stores.kv.clone(),
        blobs: stores.blobs.clone(),
        substrate,
        meter: Arc::new(NoMeter),
        settings,
    });
    let kernel = KernelBuilder::new(doors.clone(), Arc::new(NoIdentities)).build();
    let cx = ActCx { ledger: stores.ledger.clone(), clock: clock.clone(), ids };
    let driver = Driver::new(cx).run();
    let gateway = Gateway::new(kernel, clock, Vec::new(), Vec::new(), stopping);
    Ok(Cloud { gateway, driver, stores })
}

/// The tables of all rooms.
fn tables() -> Tables {
    Tables::new()
}

async fn substrate(settings: &Settings) -> Result<Arc<dyn Substrate>, String> {
    let exe = std::env::current_exe().map_err(|error| format!("could not find haar: {error}"))?;
    let config = OciConfig {
        state_dir: settings.data_dir.join("run"),
        instance: instance(settings),
        spawnd_exe: exe,
    };
    let started = OciSubstrate::start(config).await;
    Ok(Arc::new(started.map_err(|error| format!("could not start the runtime: {error}"))?))
}

/// A name that no other haar on this machine has: from the data directory.
fn instance(settings: &Settings) -> String {
    let digest = haar_blobs::Digest::of(settings.data_dir.as_os_str().as_encoded_bytes());
    digest.hex()[..8].to_owned()
}
