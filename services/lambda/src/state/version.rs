//! Versions: code and settings, frozen once published.

use std::collections::BTreeMap;
use std::path::PathBuf;

use haar_blobs::Digest;
use haar_ledger::{IndexEntry, Row};
use haar_types::{MemoryMib, Timestamp};
use serde::{Deserialize, Serialize};

use super::{FunctionKey, Version, VersionKey};

/// One version of a function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VersionRow {
    /// Key: the function.
    pub function: FunctionKey,
    /// Key: the version.
    pub version: Version,
    /// Writer: operations. Fixed in a published version.
    pub code: Code,
    /// Writer: operations. Fixed in a published version.
    pub settings: FunctionSettings,
    /// `Description`. Not among the settings, because `PublishVersion` may give another.
    pub description: String,
    /// `$LATEST`'s description when this version was published from it.
    pub published_from: String,
    /// Writer: operations (`Pending`) and `controllers::functions`.
    pub state: FunctionState,
    /// Writer: operations (`InProgress`) and `controllers::functions`; `None` while created.
    pub last_update: Option<UpdateStatus>,
    /// A new UUID at each change: of code, settings, state or policy.
    pub revision_id: String,
    /// A new UUID at each change of code or settings: what an environment is made from.
    pub build_id: String,
    /// When code or settings last changed.
    pub last_modified_at: Timestamp,
    /// When the runtime's patch version changes.
    pub runtime_management: RuntimeManagement,
    /// What runs until the image of `code` is here, and comes back if it cannot be had. Writer:
    /// operations, and `controllers::functions`, which takes it away.
    #[serde(default)]
    pub replaced: Option<Build>,
}

/// What environments are made from, but for the settings that no change of code touches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Build {
    /// The code.
    pub code: Code,
    /// `Architectures`' one entry.
    pub architecture: String,
    /// Its `build_id`.
    pub build_id: String,
}

impl VersionRow {
    /// Its name.
    pub fn version_key(&self) -> VersionKey {
        VersionKey { function: self.function.clone(), version: self.version }
    }

    /// Where a function's versions are found by the `CodeSha256` of their code.
    pub fn code_entry(function: &FunctionKey, sha256: &str) -> IndexEntry {
        let FunctionKey { account, region, name } = function;
        IndexEntry::new("code", format!("{account}/{region}/{name}/{sha256}"))
    }

    /// The code that runs now, and the build it belongs to.
    pub fn running(&self) -> (&Code, &str) {
        match &self.replaced {
            Some(before) => (&before.code, &before.build_id),
            None => (&self.code, &self.build_id),
        }
    }
}

impl Row for VersionRow {
    type Key = VersionKey;
    const TABLE: &'static str = "lambda.version";

    fn key(&self) -> VersionKey {
        self.version_key()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        let Some(old) = old else { return Ok(()) };
        if new.version != Version::Latest
            && (new.code != old.code
                || new.settings != old.settings
                || new.description != old.description)
        {
            return Err(format!("published version {} was changed", new.version));
        }
        if new.state == FunctionState::Pending && old.state == FunctionState::Active {
            return Err("pending after active".to_owned());
        }
        Ok(())
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        vec![Self::code_entry(&self.function, &self.code.sha256)]
    }
}

/// A version's archive, or its image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// `CodeSha256`: SHA-256 of the archive, base64; of an image's manifest, hexadecimal.
    pub sha256: String,
    /// Bytes of the archive: `CodeSize`. Of an image 0.
    pub size: u64,
    /// Bytes of all files in it.
    pub unzipped_size: u64,
    /// Where the archive is among the blobs; of an image its manifest's digest.
    pub digest: Digest,
    /// A folder of the host's that stands for the archive, in development.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// The image that stands for the archive.
    #[serde(default)]
    pub image: Option<CodeImage>,
}

/// An image that a version runs from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeImage {
    /// `ImageUri`, as the customer gave it.
    pub uri: String,
}

impl CodeImage {
    /// `ResolvedImageUri`: the repository with the digest that the tag stood for.
    pub fn resolved_uri(&self, digest: &Digest) -> String {
        format!("{}@{digest}", haar_substrate::repository_of(&self.uri))
    }
}

/// What `UpdateFunctionConfiguration` can change, but the description.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionSettings {
    /// `Runtime`; `None` for images.
    pub runtime: Option<String>,
    /// `Handler`; `None` for images.
    pub handler: Option<String>,
    /// `Role`: the execution role's ARN.
    pub role: String,
    /// `Timeout`, in seconds.
    pub timeout_s: u32,
    /// `MemorySize`.
    pub memory: MemoryMib,
    /// `Environment`'s variables; `None` where never given.
    pub environment: Option<BTreeMap<String, String>>,
    /// `PackageType`: `Zip` or `Image`.
    pub package_type: String,
    /// `Architectures`' one entry: `x86_64` or `arm64`.
    pub architecture: String,
    /// `EphemeralStorage`: the size of `/tmp`.
    pub ephemeral_storage: MemoryMib,
    /// `Layers`, in the order in which they are laid.
    pub layers: Vec<LayerUse>,
    /// `VpcConfig`.
    pub vpc: Option<Vpc>,
    /// `DeadLetterConfig`'s target.
    pub dead_letter_arn: Option<String>,
    /// `KMSKeyArn`.
    pub kms_key_arn: Option<String>,
    /// `TracingConfig`'s mode: `Active` or `PassThrough`.
    pub tracing: String,
    /// `FileSystemConfigs`.
    pub file_systems: Vec<FileSystem>,
    /// `ImageConfig`.
    pub image: Option<ImageSettings>,
    /// `SnapStart`'s `ApplyOn`: `PublishedVersions` or `None`.
    pub snap_start: String,
    /// `LoggingConfig`.
    pub logging: Logging,
}

/// A layer version in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerUse {
    /// The layer version's ARN.
    pub arn: String,
    /// Bytes of its archive.
    pub code_size: u64,
    /// Bytes of its files.
    pub unzipped_size: u64,
    /// SHA-256 of its archive, base64. It outlives the layer version.
    pub sha256: String,
    /// Where its archive is among the blobs.
    pub digest: Digest,
}

/// `VpcConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    /// Subnets.
    pub subnet_ids: Vec<String>,
    /// Security groups.
    pub security_group_ids: Vec<String>,
    /// Outbound IPv6.
    pub ipv6_allowed: bool,
    /// The VPC that they are in; empty without any.
    #[serde(default)]
    pub vpc_id: String,
}

/// One of `FileSystemConfigs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSystem {
    /// The access point.
    pub arn: String,
    /// Where it is mounted.
    pub local_mount_path: String,
}

/// `ImageConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSettings {
    /// `EntryPoint`.
    pub entry_point: Option<Vec<String>>,
    /// `Command`.
    pub command: Option<Vec<String>>,
    /// `WorkingDirectory`.
    pub working_directory: Option<String>,
}

/// `LoggingConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// `Text` or `JSON`.
    pub format: String,
    /// Lowest level kept of the function's own lines; with `JSON` alone.
    pub application_level: Option<String>,
    /// Lowest level kept of Lambda's lines; with `JSON` alone.
    pub system_level: Option<String>,
    /// The log group's name.
    pub group: String,
}

/// `State`, as far as haar's functions have one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FunctionState {
    /// Being created.
    Pending,
    /// Ready.
    Active,
    /// Could not be created.
    Failed(Reason),
}

/// `LastUpdateStatus`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateStatus {
    /// The newest change is in force.
    Successful,
    /// The newest change failed.
    Failed(Reason),
    /// A change is being made.
    InProgress,
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// AWS's code, such as `InvalidRuntime`.
    pub code: String,
    /// For people.
    pub text: String,
}

/// `RuntimeManagementConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuntimeManagement {
    /// The newest patch version.
    #[default]
    Auto,
    /// The newest at each change of the function.
    FunctionUpdate,
    /// This one.
    Manual(String),
}
