//! The table of rooms: what each brings, in one place.

use std::sync::Arc;

use haar_cloudwatch::Cloudwatch;
use haar_controller::{ActCx, Driver};
use haar_cost::UsageBook;
use haar_dynamodb::Dynamodb;
use haar_dynamodbstreams::Streams;
use haar_ec2::Ec2;
use haar_ecr::Ecr;
use haar_ecs::Ecs;
use haar_ecs::exec::DataChannels;
use haar_events::Events;
use haar_iam::Iam;
use haar_iam_contract::peek::IamPeek;
use haar_kernel::{DataKey, Delivery, Doors, HoldsBlobs, Identities, Kernel, KernelBuilder, Site};
use haar_kinesis::Kinesis;
use haar_lambda::Lambda;
use haar_lambda::controllers::{Charges, Functions, Mappings, Provisioned};
use haar_lambda::doors::FleetDoors;
use haar_lambda::fleet::{Fleet, FleetSettings};
use haar_lambda::invoke::UrlSite;
use haar_ledger::Tables;
use haar_logs::Logs;
use haar_pipes::Pipes;
use haar_registry::{Limits, Registries};
use haar_s3::S3;
use haar_scheduler::Scheduler;
use haar_secretsmanager::SecretsManager;
use haar_sns::Sns;
use haar_sqs::Sqs;
use haar_ssm::Ssm;
use haar_sts::Sts;
use tokio_util::task::TaskTracker;

use super::api::Api;
use super::credentials::RoleSessions;
use super::functions::RegistryImages;
use super::outside::HostOutside;
use super::sweep;
use super::targets::Neighbours;
use super::tasks;

/// All rooms of this cloud.
pub(crate) struct Rooms {
    pub(super) cloudwatch: Arc<Cloudwatch>,
    dynamodb: Arc<Dynamodb>,
    ec2: Arc<Ec2>,
    pub(super) ecr: Arc<Ecr>,
    ecs: Arc<Ecs>,
    events: Arc<Events>,
    pub(super) iam: Arc<Iam>,
    kinesis: Arc<Kinesis>,
    pub(super) lambda: Arc<Lambda>,
    pub(super) logs: Arc<Logs>,
    pub(super) meter: Arc<UsageBook>,
    pipes: Arc<Pipes>,
    s3: Arc<S3>,
    scheduler: Arc<Scheduler>,
    secrets: Arc<SecretsManager>,
    pub(super) sns: Arc<Sns>,
    sqs: Arc<Sqs>,
    ssm: Arc<Ssm>,
    sts: Arc<Sts>,
    doors: Doors,
    loops: TaskTracker,
}

/// The tables of all rooms.
pub(crate) fn tables() -> Tables {
    let tables = super::time::tables().and(&haar_kernel::tables());
    let tables = tables.and(&haar_lambda::state::tables()).and(&haar_iam::tables());
    let tables = tables.and(&haar_ec2::tables()).and(&haar_ecs::state::tables());
    let tables = tables.and(&haar_kinesis::tables());
    let tables = tables.and(&haar_secretsmanager::tables()).and(&haar_ssm::tables());
    let tables = tables.and(&haar_dynamodb::tables());
    let tables = tables.and(&haar_events::tables()).and(&haar_s3::tables());
    let tables = tables.and(&haar_pipes::tables()).and(&haar_scheduler::tables());
    let tables = Sns::tables(tables);
    Sqs::tables(Ecr::tables(Cloudwatch::tables(Logs::tables(tables))))
}

impl Rooms {
    /// Opens the rooms, those first whose peeks others need.
    pub(crate) fn open(
        doors: &Doors,
        meter: Arc<UsageBook>,
        key: DataKey,
        api: Arc<Api>,
    ) -> Result<Self, String> {
        let logs = Logs::open(doors).map_err(|error| format!("logs: {error}"))?;
        let cloudwatch = Cloudwatch::open(doors).map_err(|error| format!("metrics: {error}"))?;
        let iam = Arc::new(Iam::new(doors.clone(), key.clone()));
        doors.peeks.offer::<dyn IamPeek>(Arc::clone(&iam) as Arc<dyn IamPeek>);
        let kinesis = Kinesis::open(doors).map_err(|error| format!("streams: {error}"))?;
        let registries = Arc::new(Registries::new(doors.clock.clone(), limits(doors)));
        let identities = Arc::clone(&iam) as Arc<dyn Identities>;
        let ecr = Ecr::open(doors, identities, Arc::clone(&registries));
        let sts = Sts::new(doors.clone(), Arc::clone(&iam) as Arc<dyn Identities>);
        let sessions = RoleSessions { doors: doors.clone(), iam: Arc::clone(&iam) as _ };
        let images = Arc::new(RegistryImages { doors: doors.clone() });
        let outside = Arc::new(HostOutside::new(doors.clone()));
        let api_door = Arc::clone(&api) as _;
        let fleet_doors = FleetDoors::of(doors, Arc::new(sessions), api_door, images, outside);
        let mut fleet_settings = FleetSettings::new(doors.settings.data_dir.clone());
        fleet_settings.node_modules = doors.settings.node_modules.clone();
        fleet_settings.idle_max = doors.settings.wait(fleet_settings.idle_max);
        let lambda = Lambda::new(doors.clone(), Fleet::new(fleet_doors, fleet_settings));
        let dynamodb = Dynamodb::open(doors).map_err(|error| format!("items: {error}"))?;
        let ec2 = Arc::new(Ec2::new(doors));
        let s3 = S3::open(doors).map_err(|error| format!("objects: {error}"))?;
        let secrets = Arc::new(SecretsManager::new(doors, key.clone()));
        let sns = Sns::open(doors, key.clone()).map_err(|error| format!("topics: {error}"))?;
        let sqs = Sqs::open(doors).map_err(|error| format!("queues: {error}"))?;
        let ssm = Arc::new(Ssm::new(doors, key.clone()));
        let task_doors = tasks::doors(doors, Arc::clone(&iam) as _, api, registries);
        let ecs = Arc::new(Ecs::new(doors.clone(), task_doors));
        Ok(Self {
            cloudwatch,
            dynamodb,
            ec2,
            ecr,
            ecs,
            events: Events::open(doors, key).map_err(|error| format!("events: {error}"))?,
            iam,
            kinesis,
            lambda: Arc::new(lambda),
            logs,
            meter,
            pipes: Pipes::new(doors),
            s3,
            scheduler: Scheduler::new(doors),
            secrets,
            sns,
            sqs,
            ssm,
            sts: Arc::new(sts),
            doors: doors.clone(),
            loops: TaskTracker::new(),
        })
    }

    /// The kernel that serves them.
    pub(crate) fn kernel(&self, doors: Doors) -> Arc<Kernel> {
        KernelBuilder::new(doors, Arc::clone(&self.iam) as Arc<dyn Identities>)
            .room(Arc::clone(&self.cloudwatch), Cloudwatch::lanes)
            .room(Arc::clone(&self.dynamodb), haar_dynamodb::lanes)
            .room(Arc::new(Streams::new(&self.doors)), haar_dynamodbstreams::lanes)
            .room(Arc::clone(&self.ec2), haar_ec2::lanes)
            .room(Arc::clone(&self.ecr), Ecr::lanes)
            .room(Arc::clone(&self.ecs), Ecs::lanes)
            .room(Arc::clone(&self.events), haar_events::lanes)
            .room(Arc::clone(&self.iam), haar_iam::lanes)
            .room(Arc::clone(&self.kinesis), haar_kinesis::lanes)
            .room(Arc::clone(&self.lambda), Lambda::lanes)
            .room(Arc::clone(&self.logs), Logs::lanes)
            .room(Arc::clone(&self.pipes), haar_pipes::lanes)
            .room(Arc::clone(&self.s3), haar_s3::lanes)
            .room(Arc::clone(&self.scheduler), haar_scheduler::lanes)
            .room(Arc::clone(&self.secrets), haar_secretsmanager::lanes)
            .room(Arc::clone(&self.sns), Sns::lanes)
            .room(Arc::clone(&self.sqs), Sqs::lanes)
            .room(Arc::clone(&self.ssm), haar_ssm::lanes)
            .room(Arc::clone(&self.sts), haar_sts::lanes)
            .build()
    }

    /// The driver of their controllers.
    pub(crate) fn driver(&self, cx: ActCx) -> Driver {
        Driver::new(cx)
            .add(self.cloudwatch.sweeper())
            .add(Arc::new(Charges::new(Arc::clone(&self.lambda))))
            .add(self.dynamodb.backups())
            .add(self.dynamodb.exports())
            .add(self.dynamodb.imports())
            .add(self.dynamodb.tables())
            .add(self.ecr.copies())
            .add(self.ecr.layers())
            .add(self.ecr.lifecycles())
            .add(Arc::new(haar_ecs::controllers::Filtering::new(Arc::clone(&self.ecs))))
            .add(Arc::new(haar_ecs::controllers::Health::new(Arc::clone(&self.ecs))))
            .add(Arc::new(haar_ecs::controllers::Services::new(Arc::clone(&self.ecs))))
            .add(haar_ecs::controllers::Sweeper::new())
            .add(Arc::new(haar_ecs::controllers::Tasks::new(Arc::clone(&self.ecs))))
            .add(Arc::new(haar_kinesis::controllers::Charges::new(Arc::clone(&self.kinesis))))
            .add(Arc::new(haar_kinesis::controllers::Streams::new(Arc::clone(&self.kinesis))))
            .add(Arc::new(haar_kinesis::controllers::Sweeper::new(Arc::clone(&self.kinesis))))
            .add(self.events.archives())
            .add(self.events.replays())
            .add(Arc::new(Functions::new(Arc::clone(&self.lambda))))
            .add(Arc::new(Mappings))
            .add(Arc::new(Provisioned::new(Arc::clone(&self.lambda))))
            .add(self.logs.sweeper())
            .add(self.pipes.controller())
            .add(self.s3.lifecycles())
            .add(Arc::new(haar_ec2::controllers::NatGateways))
            .add(Arc::new(haar_secretsmanager::controllers::Deletions))
            .add(Arc::new(haar_secretsmanager::controllers::Replicas::new(Arc::clone(
                &self.secrets,
            ))))
            .add(Arc::new(haar_secretsmanager::controllers::Rotations::new(Arc::clone(
                &self.secrets,
            ))))
            .add(Arc::new(haar_sqs::controllers::Moves::new(Arc::clone(&self.sqs))))
            .add(Arc::new(haar_ssm::controllers::Expiry::new(self.doors.outbox.clone())))
            .add(Arc::new(Delivery::new(self.doors.outbox.clone())))
    }

    /// Hosts and paths that are no operation's.
    pub(crate) fn sites(&self) -> Vec<Arc<dyn Site>> {
        vec![
            Arc::new(UrlSite::new(Arc::clone(&self.lambda))),
            Arc::new(self.lambda.downloads()),
            Arc::new(self.ecr.downloads()),
            Arc::new(self.ecr.registry()),
            Arc::new(self.s3.sites()),
            Arc::new(DataChannels::new(Arc::clone(&self.ecs))),
            Arc::new(self.sns.certificates()),
        ]
    }

    /// The rooms that refer to blobs.
    fn holders(&self) -> Vec<Arc<dyn HoldsBlobs>> {
        vec![Arc::clone(&self.ecr) as _, Arc::clone(&self.lambda) as _, Arc::clone(&self.s3) as _]
    }

    /// Starts the loops that write what is buffered, and the work that was left.
    pub(crate) fn start(&self) -> Result<(), String> {
        self.loops.spawn(self.cloudwatch.run());
        self.dynamodb.start().map_err(|error| format!("changes of items: {error}"))?;
        self.loops.spawn(self.dynamodb.run());
        self.loops.spawn(self.dynamodb.sweep());
        self.loops.spawn(self.ecr.run());
        self.loops.spawn(Arc::clone(&self.ecs).observe());
        self.loops.spawn(Arc::clone(&self.ecs).measure());
        self.sns.start().map_err(|error| format!("notifications: {error}"))?;
        self.events.start().map_err(|error| format!("deliveries of events: {error}"))?;
        self.loops.spawn(Arc::clone(&self.events).run());
        self.loops.spawn(Arc::clone(&self.lambda).poll_sources());
        self.scheduler.start().map_err(|error| format!("schedules: {error}"))?;
        self.loops.spawn(Arc::clone(&self.scheduler).run());
        self.logs.start().map_err(|error| format!("subscriptions of log groups: {error}"))?;
        self.loops.spawn(self.logs.run());
        self.loops.spawn(Arc::clone(&self.pipes).run());
        self.s3.start().map_err(|error| format!("notices of buckets: {error}"))?;
        self.loops.spawn(self.s3.run());
        self.loops.spawn(self.sqs.run());
        self.loops.spawn(sweep::run(self.doors.clone(), self.holders(), Arc::clone(&self.lambda)));
        self.loops.spawn(Arc::clone(&self.meter).run(self.doors.clock.clone()));
        match self.lambda.restore_code() {
            Ok(trash) => drop(self.loops.spawn_blocking(|| trash.empty())),
            Err(error) => tracing::warn!(%error, "could not restore unpacked code"),
        }
        self.ecr.sweep_uploads().map_err(|error| format!("uploads: {error}"))?;
        let neighbours =
            Arc::new(Neighbours { doors: self.doors.clone(), iam: Arc::clone(&self.iam) as _ });
        self.lambda.start(neighbours).map_err(|error| format!("asynchronous events: {error}"))
    }

    /// Ends environments and writes what is buffered.
    pub(crate) async fn stop(&self) {
        self.lambda.stop_polling();
        self.pipes.stop_polling();
        self.lambda.fleet().shut_down().await;
        if self.doors.settings.ephemeral {
            self.ecs.end_all().await;
        }
        self.logs.flush().await;
        self.dynamodb.flush();
        self.events.flush();
        self.cloudwatch.flush();
        self.ecr.flush();
        self.s3.flush();
        if let Err(error) = self.meter.flush() {
            tracing::error!(%error, "could not write metering records");
        }
    }

    /// Brings everything back to the initial state.
    pub(crate) async fn reset(&self) -> Result<(), String> {
        self.lambda.reset().await.map_err(|error| error.to_string())?;
        self.ecs.end_all().await;
        self.kinesis.forget();
        self.logs.reset().map_err(|error| error.to_string())?;
        self.pipes.forget();
        self.sns.reset().map_err(|error| error.to_string())?;
        self.sqs.forget();
        self.cloudwatch.forget_pending();
        self.dynamodb.forget();
        self.meter.forget_pending();
        self.events.reset().map_err(|error| error.message().to_owned())?;
        self.scheduler.reset().map_err(|error| error.to_string())?;
        self.s3.reset().map_err(|error| error.to_string())?;
        self.doors.ledger.reset().map_err(|error| error.to_string())?;
        super::ground::keep(&self.doors.settings, &self.doors.ledger).await?;
        self.iam.after_reset();
        self.sts.after_reset();
        self.doors.kv.reset().map_err(|error| error.to_string())?;
        self.doors.blobs.clear().map_err(|error| error.to_string())?;
        Ok(())
    }
}

/// How long other registries may take.
fn limits(doors: &Doors) -> Limits {
    let Limits { answer, idle } = Limits::default();
    Limits { answer: doors.settings.wait(answer), idle: doors.settings.wait(idle) }
}
