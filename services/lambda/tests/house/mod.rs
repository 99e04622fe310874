//! The room behind a kernel, on a memory ledger, with its controllers running.

#![allow(dead_code, unreachable_pub, clippy::disallowed_methods, clippy::unwrap_used)]

use std::io::{Cursor, Write as _};
use std::sync::Arc;

use base64::Engine as _;
use haar_blobs::Blobs;
use haar_clock::{Clock, IdSource};
use haar_controller::{ActCx, Driver, DriverHandle};
use haar_kernel::{
    Auth, DoorParts, Doors, Kernel, KernelBuilder, Lanes, NoIdentities, NoMeter, Principal,
    Settings,
};
use haar_kv::Kv;
use haar_lambda::Lambda;
use haar_lambda::controllers::{Functions, Mappings, Provisioned};
use haar_lambda_contract::model::*;
use haar_ledger::Ledger;
use haar_ledger::store::MemoryStore;
use haar_types::{AccountId, Region};
use haar_wire::Operation;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::support::Cloud;

/// A role that every test may name.
pub const ROLE: &str = "arn:aws:iam::000000000000:role/r";

pub struct House {
    pub cloud: Cloud,
    pub doors: Doors,
    pub room: Arc<Lambda>,
    _kernel: Arc<Kernel>,
    driver: Option<DriverHandle>,
}

/// An error as a customer sees it: its name and its message.
pub type Refused = (String, String);

impl House {
    /// With its controllers at work.
    pub fn new() -> Self {
        Self::still().at_work()
    }

    fn at_work(mut self) -> Self {
        let doors = &self.doors;
        let cx = ActCx::new(doors.ledger.clone(), doors.clock.clone(), doors.ids.clone());
        let driver = Driver::new(cx)
            .add(Arc::new(Functions::new(Arc::clone(&self.room))))
            .add(Arc::new(Provisioned::new(Arc::clone(&self.room))))
            .add(Arc::new(Mappings));
        self.driver = Some(driver.run());
        self
    }

    /// Where no controller is at work.
    pub fn still() -> Self {
        Self::with(Auth::Permissive)
    }

    /// The same in a mode.
    pub fn with(auth: Auth) -> Self {
        Self::made(Settings { auth, ..Settings::default() })
    }

    /// With a quota of the operator's, and with its controllers at work.
    pub fn with_quota(quota: &str) -> Self {
        let quotas = [quota.parse().unwrap()].into_iter().collect();
        Self::made(Settings { quotas, ..Settings::default() }).at_work()
    }

    /// The same over what another house left on its disk.
    pub fn over(disk: &Arc<MemoryStore>, quota: Option<&str>) -> Self {
        let quotas = quota.iter().map(|quota| quota.parse().unwrap()).collect();
        let ledger = Ledger::open(haar_lambda::state::tables(), Arc::clone(disk) as _).unwrap();
        Self::made_over(ledger, Settings { quotas, ..Settings::default() }).at_work()
    }

    fn made(settings: Settings) -> Self {
        Self::made_over(Ledger::ephemeral(haar_lambda::state::tables()), settings)
    }

    fn made_over(ledger: Ledger, settings: Settings) -> Self {
        let cloud = Cloud::new();
        let ids = IdSource::seeded(7);
        let data_dir = cloud.dir.path().to_owned();
        let settings = Settings { data_dir, ..settings };
        let doors = Doors::new(DoorParts {
            clock: Clock::system(),
            ids: ids.clone(),
            ledger,
            kv: Kv::ephemeral(),
            blobs: Blobs::ephemeral(ids).unwrap(),
            substrate: cloud.substrate.clone(),
            meter: Arc::new(NoMeter),
            settings,
        });
        let room = Arc::new(Lambda::new(doors.clone(), cloud.fleet.clone()));
        let kernel = KernelBuilder::new(doors.clone(), Arc::new(NoIdentities))
            .room(Arc::clone(&room), control_plane)
            .build();
        Self { cloud, doors, room, _kernel: kernel, driver: None }
    }

    /// Calls an operation with its input as JSON; answers its output as JSON.
    pub async fn call<O: Operation>(&self, input: Value) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        self.call_as::<O>(Principal::root(AccountId::default()), input).await
    }

    /// The same for another caller.
    pub async fn call_as<O: Operation>(
        &self,
        principal: Principal,
        input: Value,
    ) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        let input = serde_json::from_value(input).unwrap();
        let answer = self.doors.call::<O>(Arc::new(principal), &Region::default(), input).await;
        match answer {
            Ok(output) => Ok(serde_json::to_value(&output).unwrap()),
            Err(error) => Err((error.name().to_owned(), error.message().to_owned())),
        }
    }

    /// The same where nothing may fail.
    pub async fn ok<O: Operation>(&self, input: Value) -> Value
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        self.call::<O>(input).await.unwrap()
    }

    /// A Python function, ready.
    pub async fn function(&self, name: &str) -> Value {
        let created = self.ok::<CreateFunction>(python(name)).await;
        self.settled(name).await;
        created
    }

    /// Waits until nothing is under way; answers the function.
    pub async fn settled(&self, name: &str) -> Value {
        loop {
            let seen = self.ok::<GetFunctionConfiguration>(json!({ "FunctionName": name })).await;
            if seen["State"] != "Pending" && seen["LastUpdateStatus"] != "InProgress" {
                return seen;
            }
            self.doors.clock.sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}

/// The input of `CreateFunction` for a Python function.
pub fn python(name: &str) -> Value {
    json!({
        "FunctionName": name,
        "Runtime": "python3.12",
        "Handler": "app.handler",
        "Role": ROLE,
        "Code": { "ZipFile": zip("app.py", "def handler(event, context):\n    return event\n") },
    })
}

/// An archive of one file, base64.
pub fn zip(name: &str, text: &str) -> String {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(text.as_bytes()).unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn control_plane(lanes: &mut Lanes<Lambda>) {
    macro_rules! lanes {
        ($lane:ident: $($operation:ident),+ $(,)?) => {$(lanes.$lane::<$operation>();)+};
    }
    lanes!(flow: CreateEventSourceMapping, CreateFunction, Invoke, UpdateFunctionCode, PublishLayerVersion, PutFunctionEventInvokeConfig, UpdateEventSourceMapping, UpdateFunctionEventInvokeConfig);
    lanes!(query: GetAccountSettings, GetAlias, GetCodeSigningConfig, GetFunctionCodeSigningConfig,
        ListCodeSigningConfigs, ListFunctionsByCodeSigningConfig, GetEventSourceMapping, GetFunction,
        GetFunctionConcurrency, GetFunctionConfiguration, GetFunctionEventInvokeConfig,
        GetFunctionRecursionConfig, GetFunctionScalingConfig, GetFunctionUrlConfig,
        GetLayerVersion, GetLayerVersionByArn, GetLayerVersionPolicy, GetPolicy,
        GetProvisionedConcurrencyConfig, GetRuntimeManagementConfig, ListAliases,
        ListEventSourceMappings, ListFunctionEventInvokeConfigs, ListFunctionUrlConfigs,
        ListFunctions, ListLayerVersions, ListLayers, ListProvisionedConcurrencyConfigs,
        ListTags, ListVersionsByFunction);
    lanes!(command: AddLayerVersionPermission, AddPermission, CreateAlias,
        CreateCodeSigningConfig, DeleteCodeSigningConfig, DeleteFunctionCodeSigningConfig,
        PutFunctionCodeSigningConfig, UpdateCodeSigningConfig,
        CreateFunctionUrlConfig, DeleteAlias,
        DeleteEventSourceMapping, DeleteFunction, DeleteFunctionConcurrency,
        DeleteFunctionEventInvokeConfig, DeleteFunctionUrlConfig, DeleteLayerVersion,
        DeleteProvisionedConcurrencyConfig, PublishVersion, PutFunctionConcurrency,
        PutFunctionRecursionConfig, PutFunctionScalingConfig,
        PutProvisionedConcurrencyConfig, PutRuntimeManagementConfig,
        RemoveLayerVersionPermission, RemovePermission, TagResource, UntagResource,
        UpdateAlias, UpdateFunctionConfiguration,
        UpdateFunctionUrlConfig);
}
