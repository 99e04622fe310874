//! The room behind a kernel, in memory and on simulated time, with its controllers at work and
//! its registry as a client sees it.

#![allow(unreachable_pub, dead_code, clippy::new_without_default, clippy::unwrap_used)]
#![allow(clippy::disallowed_methods)] // a test: spawns its upstream

pub mod upstream;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use haar_blobs::{Blobs, Digest};
use haar_clock::{Clock, IdSource};
use haar_controller::{ActCx, Driver, DriverHandle};
use haar_ecr::Ecr;
use haar_ecr::registry::RegistrySite;
use haar_ecr_contract::model::*;
use haar_events_contract::events::ServiceEvent;
use haar_iam::Iam;
use haar_iam_contract::peek::IamPeek;
use haar_kernel::{
    Auth, DataKey, Delivery, DoorParts, Doors, HoldsBlobs as _, Identities, Kernel, KernelBuilder,
    Listener, Meter, NotHeard, Principal, Settings, Site as _, Told, UsageRecord,
};
use haar_kv::Kv;
use haar_ledger::Ledger;
use haar_registry::{Limits, Registries};
use haar_secretsmanager::SecretsManager;
use haar_substrate::sim::SimSubstrate;
use haar_types::{AccountId, Region, Timestamp};
use haar_wire::{Body, Operation};
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// When every story begins: 2027-01-15T08:00:00Z.
pub const BEGIN: Timestamp = Timestamp(1_800_000_000_000);
pub const DAY: Duration = Duration::from_secs(24 * 3600);

pub struct House {
    pub doors: Doors,
    pub room: Arc<Ecr>,
    pub usage: Arc<Usage>,
    pub bus: Arc<Bus>,
    registry: RegistrySite,
    _kernel: Arc<Kernel>,
    _driver: DriverHandle,
}

/// The default event bus: keeps what it is told.
#[derive(Default)]
pub struct Bus(pub Mutex<Vec<ServiceEvent>>);

impl Listener<ServiceEvent> for Bus {
    fn hear(&self, told: Told<ServiceEvent>) -> BoxFuture<'_, Result<(), NotHeard>> {
        self.0.lock().push(told.event);
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Bus {
    /// What it was told of this kind: where, about what, and the details.
    pub fn told(&self, detail_type: &str) -> Vec<(String, Vec<String>, Value)> {
        let all = self.0.lock();
        let told = all.iter().filter(|event| event.detail_type == detail_type);
        let shown = |event: &ServiceEvent| {
            let place = format!("{}/{}", event.account, event.region);
            let detail = serde_json::from_str(&event.detail).unwrap();
            (place, event.resources.clone(), detail)
        };
        told.map(shown).collect()
    }
}

/// Keeps metering records.
#[derive(Default)]
pub struct Usage(pub Mutex<Vec<UsageRecord>>);

impl Meter for Usage {
    fn record(&self, usage: UsageRecord) {
        self.0.lock().push(usage);
    }
}

/// An error as a customer sees it: its name and its message.
pub type Refused = (String, String);

/// What the registry answers.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Code and message of its error.
    pub fn error(&self) -> (String, String) {
        let document = self.json();
        let error = &document["errors"][0];
        let text = |name: &str| error[name].as_str().unwrap().to_owned();
        (text("code"), text("message"))
    }
}

/// A layer, a configuration, or a manifest that is to be pushed.
pub fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len() })
}

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The manifest of an image with one layer.
pub fn manifest(layer: &str) -> String {
    json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", b"{}"),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer.as_bytes())],
    })
    .to_string()
}

pub fn digest(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()
}

impl House {
    pub fn new() -> Self {
        Self::with(Auth::Permissive)
    }

    pub fn with(auth: Auth) -> Self {
        let (clock, ids) = (Clock::simulated(BEGIN), IdSource::seeded(7));
        let tables = haar_kernel::tables().and(&haar_iam::tables());
        let tables = tables.and(&haar_secretsmanager::tables());
        let usage = Arc::new(Usage::default());
        let doors = Doors::new(DoorParts {
            clock: clock.clone(),
            ids: ids.clone(),
            ledger: Ledger::ephemeral(Ecr::tables(tables)),
            kv: Kv::ephemeral(),
            blobs: Blobs::ephemeral(ids.clone()).unwrap(),
            substrate: Arc::new(SimSubstrate::new(clock.clone())),
            meter: Arc::clone(&usage) as Arc<dyn Meter>,
            settings: Settings { auth, ..Settings::default() },
        });
        let iam = Arc::new(Iam::new(doors.clone(), haar_kernel::DataKey::new(&[7; 32])));
        doors.peeks.offer::<dyn IamPeek>(Arc::clone(&iam) as Arc<dyn IamPeek>);
        let identities = Arc::clone(&iam) as Arc<dyn Identities>;
        let bus = Arc::<Bus>::default();
        doors.outbox.listen("test.bus", Arc::clone(&bus) as Arc<dyn Listener<ServiceEvent>>);
        let registries = Arc::new(Registries::new(clock.clone(), Limits::default()));
        let room = Ecr::open(&doors, Arc::clone(&identities), registries);
        let secrets = Arc::new(SecretsManager::new(&doors, DataKey::new(&[7; DataKey::LEN])));
        let kernel = KernelBuilder::new(doors.clone(), identities)
            .room(Arc::clone(&room), Ecr::lanes)
            .room(iam, haar_iam::lanes)
            .room(secrets, haar_secretsmanager::lanes)
            .build();
        let cx = ActCx::new(doors.ledger.clone(), clock, ids);
        let driver = Driver::new(cx)
            .add(room.copies())
            .add(room.layers())
            .add(room.lifecycles())
            .add(Arc::new(Delivery::new(doors.outbox.clone())))
            .run();
        let registry = room.registry();
        Self { doors, room, usage, bus, registry, _kernel: kernel, _driver: driver }
    }

    /// Calls an operation with its input as JSON; answers its output as JSON.
    pub async fn call<O: Operation>(&self, input: Value) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        self.call_as::<O>("000000000000", "us-east-1", input).await
    }

    /// The same in another account and region.
    pub async fn call_as<O: Operation>(
        &self,
        account: &str,
        region: &str,
        input: Value,
    ) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        let principal = Arc::new(Principal::root(account.parse::<AccountId>().unwrap()));
        let region: Region = region.parse().unwrap();
        let input = serde_json::from_value(input).unwrap();
        match self.doors.call::<O>(principal, &region, input).await {
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

    /// A repository of that name.
    pub async fn repository(&self, name: &str) {
        self.ok::<CreateRepository>(json!({ "repositoryName": name })).await;
    }

    /// One request to the registry.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "localhost:4566");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.into())).unwrap();
        let (parts, body) = request.into_parts();
        assert!(self.registry.claims("localhost", &parts), "{path} is not the registry's");
        let response = self.registry.serve(Request::from_parts(parts, body)).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], "").await
    }

    /// Pushes a blob in one request.
    pub async fn push_blob(&self, repository: &str, bytes: &str) -> String {
        let digest = digest(bytes);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let reply = self.ask("POST", &path, &[], bytes.to_owned()).await;
        assert_eq!(reply.status, 201, "{:?}", reply.body);
        digest
    }

    /// Pushes a manifest as it is.
    pub async fn push_manifest(&self, repository: &str, reference: &str, text: &str) -> Reply {
        let path = format!("/v2/{repository}/manifests/{reference}");
        self.ask("PUT", &path, &[], text.to_owned()).await
    }

    /// Pushes an image with one layer; answers its digest.
    pub async fn push_image(&self, repository: &str, tag: Option<&str>, layer: &str) -> String {
        self.push_blob(repository, "{}").await;
        self.push_blob(repository, layer).await;
        let text = manifest(layer);
        let digest = digest(&text);
        let reply = self.push_manifest(repository, tag.unwrap_or(&digest), &text).await;
        assert_eq!(reply.status, 201, "{:?}", reply.body);
        digest
    }

    /// The tags of a repository's images, with untagged ones as an empty text.
    pub async fn tags(&self, repository: &str) -> Vec<String> {
        let listed = self.ok::<ListImages>(json!({ "repositoryName": repository })).await;
        let ids = listed["imageIds"].as_array().unwrap().iter();
        let tag = |id: &Value| id["imageTag"].as_str().unwrap_or_default().to_owned();
        let mut tags: Vec<String> = ids.map(tag).collect();
        tags.sort();
        tags
    }

    /// The `Authorization` that a token of `GetAuthorizationToken` makes.
    pub async fn login(&self, account: &str, region: &str) -> String {
        let answer = self.call_as::<GetAuthorizationToken>(account, region, json!({})).await;
        let answer = answer.unwrap();
        let token = answer["authorizationData"][0]["authorizationToken"].as_str().unwrap();
        let pair = STANDARD.decode(token).unwrap();
        assert!(pair.starts_with(b"AWS:"));
        format!("Basic {token}")
    }

    /// Sweeps the blobs as haar does now and then.
    pub fn sweep(&self) -> usize {
        let held = || {
            let mut held = BTreeSet::new();
            self.room.held_blobs(&self.doors.ledger.snapshot(), &mut held);
            Some(held)
        };
        self.doors.blobs.sweep(Duration::from_secs(900), held).unwrap()
    }

    /// Lets time pass.
    pub async fn pass(&self, time: Duration) {
        self.doors.clock.sleep(time).await;
    }
}
