//! The table of rooms: what each brings, in one place.

use std::sync::Arc;

use haar_cloudwatch::Cloudwatch;
use haar_controller::{ActCx, Driver};
use haar_cost::UsageBook;
use haar_iam::Iam;
use haar_iam_contract::peek::IamPeek;
use haar_kernel::{Delivery, Doors, Identities, Kernel, KernelBuilder, Site};
use haar_lambda::Lambda;
use haar_lambda::controllers::{Charges, Functions, Mappings, Provisioned};
use haar_lambda::doors::FleetDoors;
use haar_lambda::fleet::{Fleet, FleetSettings};
use haar_lambda::invoke::UrlSite;
use haar_ledger::Tables;
use haar_logs::Logs;
use haar_sts::Sts;
use tokio_util::task::TaskTracker;

use super::api::Api;
use super::credentials::RoleSessions;
use super::targets::NoTargets;

/// All rooms of this cloud.
pub(crate) struct Rooms {
    pub(super) cloudwatch: Arc<Cloudwatch>,
    pub(super) iam: Arc<Iam>,
    pub(super) lambda: Arc<Lambda>,
    pub(super) logs: Arc<Logs>,
    pub(super) meter: Arc<UsageBook>,
    sts: Arc<Sts>,
    doors: Doors,
    loops: TaskTracker,
}

/// The tables of all rooms.
pub(crate) fn tables() -> Tables {
    let tables = haar_kernel::tables().and(&haar_lambda::state::tables()).and(&haar_iam::tables());
    Cloudwatch::tables(Logs::tables(tables))
}

impl Rooms {
    /// Opens the rooms, those first whose peeks others need.
    pub(crate) fn open(
        doors: &Doors,
        meter: Arc<UsageBook>,
        api: Arc<Api>,
    ) -> Result<Self, String> {
        let logs = Logs::open(doors).map_err(|error| format!("logs: {error}"))?;
        let cloudwatch = Cloudwatch::open(doors).map_err(|error| format!("metrics: {error}"))?;
        let iam = Arc::new(Iam::new(doors.clone()));
        doors.peeks.offer::<dyn IamPeek>(Arc::clone(&iam) as Arc<dyn IamPeek>);
        let sts = Sts::new(doors.clone(), Arc::clone(&iam) as Arc<dyn Identities>);
        let sessions = RoleSessions { doors: doors.clone(), iam: Arc::clone(&iam) as _ };
        let fleet_doors = FleetDoors::of(doors, Arc::new(sessions), api);
        let mut fleet_settings = FleetSettings::new(doors.settings.data_dir.clone());
        fleet_settings.idle_max = doors.settings.wait(fleet_settings.idle_max);
        let lambda = Lambda::new(doors.clone(), Fleet::new(fleet_doors, fleet_settings));
        Ok(Self {
            cloudwatch,
            iam,
            lambda: Arc::new(lambda),
            logs,
            meter,
            sts: Arc::new(sts),
            doors: doors.clone(),
            loops: TaskTracker::new(),
        })
    }

    /// The kernel that serves them.
    pub(crate) fn kernel(&self, doors: Doors) -> Arc<Kernel> {
        KernelBuilder::new(doors, Arc::clone(&self.iam) as Arc<dyn Identities>)
            .room(Arc::clone(&self.cloudwatch), Cloudwatch::lanes)
            .room(Arc::clone(&self.iam), haar_iam::lanes)
            .room(Arc::clone(&self.lambda), Lambda::lanes)
            .room(Arc::clone(&self.logs), Logs::lanes)
            .room(Arc::clone(&self.sts), haar_sts::lanes)
            .build()
    }

    /// The driver of their controllers.
    pub(crate) fn driver(&self, cx: ActCx) -> Driver {
        Driver::new(cx)
            .add(self.cloudwatch.sweeper())
            .add(Arc::new(Charges::new(Arc::clone(&self.lambda))))
            .add(Arc::new(Functions::new(Arc::clone(&self.lambda))))
            .add(Arc::new(Mappings))
            .add(Arc::new(Provisioned::new(Arc::clone(&self.lambda))))
            .add(self.logs.sweeper())
            .add(Arc::new(Delivery::new(self.doors.outbox.clone())))
    }

    /// Hosts and paths that are no operation's.
    pub(crate) fn sites(&self) -> Vec<Arc<dyn Site>> {
        vec![Arc::new(UrlSite::new(Arc::clone(&self.lambda))), Arc::new(self.lambda.downloads())]
    }

    /// Starts the loops that write what is buffered, and the work that was left.
    pub(crate) fn start(&self) -> Result<(), String> {
        self.loops.spawn(self.cloudwatch.run());
        self.loops.spawn(self.logs.run());
        self.loops.spawn(Arc::clone(&self.meter).run(self.doors.clock.clone()));
        let room = Arc::clone(&self.lambda);
        self.loops.spawn_blocking(move || {
            if let Err(error) = room.sweep_code() {
                tracing::warn!(%error, "could not sweep unpacked code");
            }
        });
        let undeliverable = Arc::new(NoTargets);
        self.lambda.start(undeliverable).map_err(|error| format!("asynchronous events: {error}"))
    }

    /// Ends environments and writes what is buffered.
    pub(crate) async fn stop(&self) {
        self.lambda.fleet().end_all().await;
        self.logs.flush().await;
        self.cloudwatch.flush();
        if let Err(error) = self.meter.flush() {
            tracing::error!(%error, "could not write metering records");
        }
    }

    /// Brings everything back to the initial state.
    pub(crate) async fn reset(&self) -> Result<(), String> {
        self.lambda.reset().await.map_err(|error| error.to_string())?;
        self.logs.forget_pending();
        self.cloudwatch.forget_pending();
        self.meter.forget_pending();
        self.doors.ledger.reset().map_err(|error| error.to_string())?;
        self.iam.after_reset();
        self.doors.kv.reset().map_err(|error| error.to_string())?;
        let held = std::collections::BTreeSet::new();
        self.doors.blobs.sweep(&held).map_err(|error| error.to_string())?;
        Ok(())
    }
}
