//! What the fleet must know of a function version, and of one invocation.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use haar_blobs::Digest;
use haar_substrate::ImageId;
use haar_types::{AccountId, MemoryMib, Region, RequestId};

use crate::doors::ImageRequest;
use crate::state::ImageSettings;

/// One version of a function, as rendered from the control plane's rows. Two targets with the
/// same [`Self::key`] share environments; a new revision retires those of the old one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionTarget {
    /// Whose function.
    pub account: AccountId,
    /// Where.
    pub region: Region,
    /// Its name.
    pub function_name: String,
    /// `$LATEST` or a number.
    pub version: String,
    /// Changes with every change of code or configuration.
    pub revision: String,
    /// AWS's identifier, such as `python3.12`.
    pub runtime: String,
    /// `module.function`; of no account for `provided`.
    pub handler: String,
    /// Its memory, and with it its share of a CPU.
    pub memory: MemoryMib,
    /// Longest invocation.
    pub timeout: Duration,
    /// Size of `/tmp`.
    pub ephemeral_storage: MemoryMib,
    /// Its own variables.
    pub environment: BTreeMap<String, String>,
    /// Its unpacked code.
    pub code: PathBuf,
    /// The code is a folder of the operator's: environments are replaced when it changes.
    pub is_folder: bool,
    /// The image that it runs from; then [`Self::code`], layers, runtime and handler are nothing.
    pub image: Option<ImageTarget>,
    /// Its unpacked layers, lowest first.
    pub layers: Vec<PathBuf>,
    /// `x86_64` or `arm64`, for the bill.
    pub architecture: Architecture,
    /// Its execution role.
    pub role_arn: String,
    /// Where its log goes and how it looks.
    pub logging: Logging,
}

/// The image of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageTarget {
    /// Of its manifest.
    pub digest: Digest,
    /// How to pull it, should it not be here any more.
    pub request: ImageRequest,
    /// What goes before the image's own settings.
    pub settings: ImageSettings,
}

impl ImageTarget {
    /// What the substrate calls it.
    pub fn id(&self) -> ImageId {
        ImageId(self.digest.to_string())
    }
}

/// A processor architecture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Architecture {
    /// `x86_64`
    #[default]
    X86,
    /// `arm64`
    Arm,
}

/// `LoggingConfig` of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logging {
    /// Text lines or JSON documents.
    pub format: LogFormat,
    /// Least level of the function's own lines (JSON only).
    pub application_level: Option<String>,
    /// Least level of the platform's lines (JSON only).
    pub system_level: SystemLevel,
    /// The log group.
    pub group: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines.
    #[default]
    Text,
    /// JSON documents.
    Json,
}

/// Levels of the platform's own lines, in the order of their weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SystemLevel {
    /// All.
    Debug,
    /// The usual ones.
    #[default]
    Info,
    /// Failures alone.
    Warn,
}

/// Names a pool of environments: function (account, region, name) and version.
pub type PoolKey = (AccountId, Region, String, String);

impl FunctionTarget {
    /// The function's ARN without a qualifier.
    pub fn arn(&self) -> String {
        let Self { account, region, function_name, .. } = self;
        format!("arn:aws:lambda:{region}:{account}:function:{function_name}")
    }

    pub(crate) fn key(&self) -> PoolKey {
        let version = self.version.clone();
        (self.account.clone(), self.region.clone(), self.function_name.clone(), version)
    }
}

/// How much may run at once, as the control plane's rows say now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConcurrencyLimits {
    /// The function's reserved concurrency.
    pub reserved: Option<u32>,
    /// What the account has left for functions without a reservation.
    pub unreserved: u32,
}

impl Default for ConcurrencyLimits {
    fn default() -> Self {
        Self { reserved: None, unreserved: 1000 }
    }
}

/// One invocation.
#[derive(Clone, Debug)]
pub struct InvokeRequest {
    /// Names it in answers and logs.
    pub request_id: RequestId,
    /// The function's ARN as the caller gave it, with its qualifier.
    pub invoked_arn: String,
    /// The event; empty stands for `{}`.
    pub event: Bytes,
    /// `X-Amz-Client-Context`, decoded JSON.
    pub client_context: Option<String>,
    /// `X-Amzn-Trace-Id`.
    pub trace: Option<String>,
    /// What may run at once.
    pub limits: ConcurrencyLimits,
    /// Whether the end of the log is wanted.
    pub wants_tail: bool,
    /// The alias in the ARN, for metrics: adds the dimension `Resource`.
    pub alias: Option<String>,
}
