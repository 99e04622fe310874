//! The cloud, put together: stores, substrate, rooms, kernel, driver, gateway.

mod api;
mod credentials;
mod data_key;
mod functions;
pub(crate) mod ground;
mod images;
mod outside;
mod pages;
mod rooms;
mod stores;
mod sweep;
mod targets;
mod tasks;
mod time;

use std::sync::Arc;
use std::time::Duration;

use haar_clock::{Clock, IdSource};
use haar_controller::{ActCx, DriverHandle};
use haar_cost::UsageBook;
use haar_gateway::Gateway;
use haar_iam::RootKey;
use haar_images::{Bounds, Store};
use haar_kernel::{DoorParts, Doors, Settings};
use haar_substrate::Substrate;
use haar_substrate_oci::{Ground, OciConfig, OciSubstrate};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::memory;
use rooms::Rooms;
pub(crate) use stores::Stores;
use time::CloudTime;

/// How long controllers may take to end what they are doing.
const ACTS_GRACE: Duration = Duration::from_secs(10);

/// A running cloud.
pub(crate) struct Cloud {
    clock: Clock,
    /// Where connections come in.
    pub(crate) gateway: Arc<Gateway>,
    driver: DriverHandle,
    rooms: Arc<Rooms>,
    substrate: Arc<dyn Substrate>,
    stores: Stores,
    /// What its operator must be told, once.
    pub(crate) notices: Notices,
    /// Held until this cloud has ended.
    _ground: Ground,
}

/// What the operator of a cloud that has started must be told.
pub(crate) struct Notices {
    /// Minted by the first start in `enforce` mode, and never shown again.
    pub(crate) root_key: Option<RootKey>,
    /// Why not all can run on this machine.
    pub(crate) warning: Option<String>,
}

impl Cloud {
    /// Serves until the gateway is told to stop, and keeps memory small meanwhile.
    pub(crate) async fn serve(&self, listener: TcpListener) {
        let tended = memory::tend(&self.clock, &*self.substrate, &self.stores);
        tokio::select! {
            () = self.gateway.listen(listener) => {}
            never = tended => match never {},
        }
    }

    /// Ends what runs, then closes the stores. An act that does not end is left: what it did not
    /// record is found and done again at the next start.
    pub(crate) async fn stop(self) {
        if self.clock.timeout(ACTS_GRACE, self.driver.stop()).await.is_err() {
            tracing::warn!("a controller was still at work");
        }
        self.rooms.stop().await;
        self.stores.close().await;
    }
}

/// Starts a cloud; `stopping` tells its gateway when to end.
pub(crate) async fn start(
    mut settings: Settings,
    stopping: CancellationToken,
) -> Result<Cloud, String> {
    let ((clock, hand), ids) = (Clock::system().movable(), IdSource::system());
    let stores = Stores::open(&settings, rooms::tables(), &ids)?; // their locks keep others out
    let ledger = stores.ledger.clone();
    let time = Arc::new(CloudTime::open(clock.clone(), hand, ledger, stopping.clone()));
    let instance = instance(&settings);
    let ground = ground::claim(&mut settings, &stores.ledger, &instance);
    let ground_kept = ground::keep(&settings, &stores.ledger); // while the rest starts
    let key = async { data_key::open(&settings.data_dir, &ids) }; // while the helper starts
    let started = async {
        tokio::select! {
            started = substrate(&settings, instance) => started,
            () = stopping.cancelled() => Err("told to stop before it was ready".to_owned()),
        }
    };
    let (substrate, key) = tokio::join!(started, key);
    let ((substrate, warning), key) = (substrate?, key?);
    let meter = UsageBook::open(&stores.kv).map_err(|error| format!("the meter: {error}"))?;
    let meter = Arc::new(meter);
    let doors = Doors::new(DoorParts {
        clock: clock.clone(),
        ids: ids.clone(),
        ledger: stores.ledger.clone(),
        kv: stores.kv.clone(),
        blobs: stores.blobs.clone(),
        substrate: Arc::clone(&substrate),
        meter: Arc::clone(&meter) as Arc<dyn haar_kernel::Meter>,
        settings,
    });
    let api = Arc::new(api::Api::default());
    let rooms = Arc::new(Rooms::open(&doors, meter, key, Arc::clone(&api))?);
    let kernel = rooms.kernel(doors.clone());
    let cx = ActCx::new(stores.ledger.clone(), clock.clone(), ids);
    let driver = rooms.driver(cx).run();
    rooms.start()?;
    let pages = pages::all(&doors, &rooms, &driver, &time);
    let gateway = Gateway::new(kernel, clock.clone(), rooms.sites(), pages, stopping);
    api.open(&gateway);
    ground_kept.await?;
    let root_key = root_key(&rooms).await?; // last: what fails behind it would lose the key
    let notices = Notices { root_key, warning };
    Ok(Cloud { clock, gateway, driver, rooms, substrate, stores, notices, _ground: ground })
}

/// The root user's key, where this start has minted it.
async fn root_key(rooms: &Arc<Rooms>) -> Result<Option<RootKey>, String> {
    let rooms = Arc::clone(rooms);
    let minted = tokio::task::spawn_blocking(move || rooms.iam.ensure_root_key()).await;
    let minted = minted.map_err(|error| error.to_string())?;
    minted.map_err(|error| format!("the root key: {error}"))
}

/// What runs things, and why not all can run here.
async fn substrate(
    settings: &Settings,
    instance: String,
) -> Result<(Arc<dyn Substrate>, Option<String>), String> {
    let exe = std::env::current_exe().map_err(|error| format!("could not find haar: {error}"))?;
    let images = Store::open(&settings.data_dir.join("images"), Clock::system(), Bounds::default())
        .map_err(|error| format!("could not open the image store: {error}"))?;
    let config = OciConfig {
        state_dir: settings.data_dir.join("run"),
        instance,
        spawnd_exe: exe,
        images: Some(Arc::new(images)),
        ephemeral: settings.ephemeral.then(|| settings.data_dir.clone()),
    };
    let started = OciSubstrate::start(config).await;
    let started = started.map_err(|error| format!("could not start the runtime: {error}"))?;
    let warning = haar_substrate_oci::warning(&started.capabilities());
    Ok((Arc::new(started), warning))
}

/// A name that no other haar on this machine has: from the data directory, by whichever of its
/// names it was given.
fn instance(settings: &Settings) -> String {
    let dir = std::fs::canonicalize(&settings.data_dir);
    let dir = dir.unwrap_or_else(|_| settings.data_dir.clone());
    let digest = haar_blobs::Digest::of(dir.as_os_str().as_encoded_bytes());
    digest.hex()[..8].to_owned()
}
