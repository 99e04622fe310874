//! What the fleet asks of the rest of haar.

use std::net::Ipv4Addr;
use std::sync::Arc;

use async_trait::async_trait;
use haar_blobs::Digest;
use haar_clock::{Clock, IdSource};
use haar_cloudwatch_contract::peek::MetricSink;
use haar_kernel::{ApiDoor, Doors, Meter, UsageRecord};
use haar_logs_contract::peek::LogSink;
use haar_substrate::Substrate;
use haar_types::{AccountId, Region};
use tokio::sync::Semaphore;

use crate::fleet::{Architecture, Usage};

/// Temporary credentials of a function's role.
#[derive(Clone, PartialEq, Eq)]
pub struct RoleCredentials {
    /// `ASIA…`
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// Its session's token.
    pub session_token: String,
}

/// Gives functions their role's credentials.
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// New credentials for a session named after the function; `None` leaves the environment
    /// without.
    ///
    /// # Errors
    /// When Lambda may not assume the role, or there is none.
    async fn credentials(
        &self,
        account: &AccountId,
        role_arn: &str,
        function_arn: &str,
    ) -> Result<Option<RoleCredentials>, NotAssumable>;

    /// Whether a role may write a function's log; asked each time something is written.
    fn may_log(&self, log: &FunctionLog<'_>) -> bool {
        let _ = log;
        true
    }
}

/// A role that Lambda cannot assume (any more).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAssumable;

/// Where a function writes its log, and as whom.
#[derive(Clone, Copy, Debug)]
pub struct FunctionLog<'a> {
    /// The function's account.
    pub account: &'a AccountId,
    /// The function's region.
    pub region: &'a Region,
    /// Its name.
    pub function_name: &'a str,
    /// Its role.
    pub role_arn: &'a str,
    /// The log group.
    pub group: &'a str,
    /// The stream in it.
    pub stream: &'a str,
}

/// What lies outside of sandboxes.
pub trait Outside: Send + Sync {
    /// Whether functions may connect to an address.
    fn allows(&self, address: Ipv4Addr) -> bool;

    /// One for each connection that all functions together may have.
    fn places(&self) -> Arc<Semaphore>;
}

/// The bill: one call for each invocation that was billed.
pub trait UsageSink: Send + Sync {
    /// Adds one invocation. Never blocks.
    fn record(&self, account: &AccountId, region: &Region, usage: &Usage);
}

/// An image that a function is made from, and on whose behalf it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRequest {
    /// Whose function.
    pub account: AccountId,
    /// Where the function is: its image must be there too.
    pub region: Region,
    /// As the customer named it.
    pub uri: String,
    /// What the name stood for when the function was made; goes before it.
    pub digest: Option<Digest>,
}

/// Why a function's image cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageFailure {
    /// It names no image of a private registry in the function's region.
    #[error("it is not a valid source image")]
    NotValid,
    /// The registry has no such repository, tag or digest (any more).
    #[error("it does not exist")]
    Missing,
    /// The function's account may not read the repository.
    #[error("access is denied")]
    Denied,
    /// It is no single image, or of types that Lambda does not take.
    #[error("its media types are not supported")]
    Unsupported,
    /// It holds more than a function may.
    #[error("it is too large")]
    TooLarge,
    /// It is not what it says.
    #[error("{0}")]
    Broken(String),
    /// The same may succeed later.
    #[error("{0}")]
    Unavailable(String),
}

/// The registry that functions' images come from.
#[async_trait]
pub trait FunctionImages: Send + Sync {
    /// What an image's name stands for now: the digest of its manifest.
    async fn resolve(&self, request: &ImageRequest) -> Result<Digest, ImageFailure>;

    /// Makes an image be in the substrate's image store, unpacked.
    async fn pull(&self, request: &ImageRequest) -> Result<(), ImageFailure>;
}

/// All doors of the fleet. Cheap to clone.
#[derive(Clone)]
pub struct FleetDoors {
    /// Runs the sandboxes.
    pub substrate: Arc<dyn Substrate>,
    /// Time.
    pub clock: Clock,
    /// Chance.
    pub ids: IdSource,
    /// Where log lines go.
    pub logs: Arc<dyn LogSink>,
    /// Where metric values go.
    pub metrics: Arc<dyn MetricSink>,
    /// Where usage goes.
    pub usage: Arc<dyn UsageSink>,
    /// Who gives credentials.
    pub credentials: Arc<dyn CredentialSource>,
    /// haar's API, for the code inside.
    pub api: Arc<dyn ApiDoor>,
    /// Where images come from.
    pub images: Arc<dyn FunctionImages>,
    /// Where functions may connect to.
    pub outside: Arc<dyn Outside>,
}

impl FleetDoors {
    /// The fleet's doors out of the room's. Logs and CloudWatch must have offered their sinks.
    ///
    /// # Panics
    /// When they have not: a bug that the first start shows.
    pub fn of(
        doors: &Doors,
        credentials: Arc<dyn CredentialSource>,
        api: Arc<dyn ApiDoor>,
        images: Arc<dyn FunctionImages>,
        outside: Arc<dyn Outside>,
    ) -> Self {
        Self {
            substrate: Arc::clone(&doors.substrate),
            clock: doors.clock.clone(),
            ids: doors.ids.clone(),
            logs: doors.peeks.expect::<dyn LogSink>(),
            metrics: doors.peeks.expect::<dyn MetricSink>(),
            usage: Arc::new(Metered(Arc::clone(&doors.meter))),
            credentials,
            api,
            images,
            outside,
        }
    }
}

/// Writes usage into the bill.
struct Metered(Arc<dyn Meter>);

impl UsageSink for Metered {
    fn record(&self, account: &AccountId, region: &Region, usage: &Usage) {
        let compute = match (usage.provisioned, usage.architecture) {
            (false, Architecture::X86) => "mb-ms/x86_64",
            (false, Architecture::Arm) => "mb-ms/arm64",
            (true, Architecture::X86) => "provisioned-duration-mb-ms/x86_64",
            (true, Architecture::Arm) => "provisioned-duration-mb-ms/arm64",
        };
        let mut quantities = vec![("requests", 1), (compute, usage.memory_mb * usage.billed_ms)];
        let storage = usage.ephemeral_mb.saturating_sub(FREE_EPHEMERAL_MB);
        if storage > 0 {
            quantities.push(("storage-mb-ms", storage * usage.billed_ms));
        }
        self.0.record(UsageRecord {
            account: account.clone(),
            region: region.clone(),
            at: usage.at,
            service: "lambda",
            resource: usage.function_name.clone(),
            quantities,
        });
    }
}

/// `/tmp` that costs nothing. AWS docs: *Lambda pricing*.
const FREE_EPHEMERAL_MB: u64 = 512;

/// Credentials of permissive mode: the key's id is the account's number, which is all that is
/// looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountKeys;

#[async_trait]
impl CredentialSource for AccountKeys {
    async fn credentials(
        &self,
        account: &AccountId,
        _: &str,
        _: &str,
    ) -> Result<Option<RoleCredentials>, NotAssumable> {
        Ok(Some(RoleCredentials {
            access_key_id: account.to_string(),
            secret_access_key: "haar".to_owned(),
            session_token: "haar".to_owned(),
        }))
    }
}
