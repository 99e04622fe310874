//! Manifests, indexes and configurations: OCI's and Docker's, which differ in names only.

use std::collections::BTreeMap;
use std::time::Duration;

use haar_substrate::{ImageConfig, ImageError, ImageHealthcheck};
use serde::{Deserialize, Serialize};

/// Most layers that one overlay takes.
const LAYERS_MAX: usize = 127;

/// A part of an image by digest.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: String,
    #[serde(default)]
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Descriptor {
    pub(crate) fn new(media_type: &str, digest: String, size: u64) -> Self {
        let media_type = media_type.to_owned();
        Self { media_type, digest, size, platform: None, annotations: BTreeMap::new() }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

/// What a manifest's or an index's document says.
pub(crate) enum Document {
    /// One image: its configuration and its layers, lowest first.
    Image { config: Descriptor, layers: Vec<Descriptor> },
    /// The manifest to take for this host.
    Index(Descriptor),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    schema_version: u32,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

/// Reads a manifest or an index; which of them it is shows in what it has.
pub(crate) fn parse(bytes: &[u8]) -> Result<Document, ImageError> {
    let wire: Wire = json(bytes, "manifest")?;
    match wire {
        Wire { schema_version, .. } if schema_version != 2 => {
            Err(malformed("manifest of a schema version other than 2"))
        }
        Wire { config: Some(config), layers: Some(layers), .. } => {
            if layers.len() > LAYERS_MAX {
                return Err(ImageError::TooLarge(format!("{} layers", layers.len())));
            }
            Ok(Document::Image { config, layers })
        }
        Wire { manifests: Some(manifests), .. } => choose(manifests).map(Document::Index),
        _ => Err(malformed("neither a manifest nor an index")),
    }
}

/// This host's platform, as images name it.
pub(crate) fn platform() -> (&'static str, &'static str) {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    ("linux", architecture)
}

fn choose(manifests: Vec<Descriptor>) -> Result<Descriptor, ImageError> {
    let (os, architecture) = platform();
    let fits = |descriptor: &&Descriptor| {
        descriptor
            .platform
            .as_ref()
            .is_some_and(|has| has.os == os && has.architecture == architecture)
    };
    // the plainest variant goes first; an index of one manifest need not name a platform
    let variant = |descriptor: &&Descriptor| {
        descriptor.platform.as_ref().and_then(|platform| platform.variant.clone())
    };
    let found = manifests.iter().filter(fits).min_by_key(variant).cloned();
    let only = || match manifests.as_slice() {
        [only] if only.platform.is_none() => Some(only.clone()),
        _ => None,
    };
    found.or_else(only).ok_or_else(|| ImageError::NoPlatform(format!("{os}/{architecture}")))
}

/// A configuration and the digests of its layers' content.
pub(crate) struct Config {
    pub(crate) config: ImageConfig,
    pub(crate) diff_ids: Vec<String>,
}

#[derive(Deserialize)]
struct WireConfig {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    config: Option<WireRun>,
    rootfs: WireRootfs,
}

#[derive(Deserialize)]
struct WireRootfs {
    diff_ids: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct WireRun {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    env: Option<Vec<String>>,
    working_dir: Option<String>,
    user: Option<String>,
    stop_signal: Option<String>,
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    volumes: Option<BTreeMap<String, serde_json::Value>>,
    labels: Option<BTreeMap<String, String>>,
    healthcheck: Option<WireHealthcheck>,
}

/// Times in nanoseconds; 0 is the default.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct WireHealthcheck {
    test: Option<Vec<String>>,
    interval: u64,
    timeout: u64,
    start_period: u64,
    retries: u32,
}

/// Reads a configuration.
pub(crate) fn parse_config(bytes: &[u8]) -> Result<Config, ImageError> {
    let WireConfig { os, architecture, config, rootfs } = json(bytes, "configuration")?;
    let run = config.unwrap_or_default();
    let env = run.env.unwrap_or_default().into_iter().filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    let config = ImageConfig {
        platform: format!("{os}/{architecture}"),
        entrypoint: run.entrypoint.unwrap_or_default(),
        cmd: run.cmd.unwrap_or_default(),
        env: env.collect(),
        cwd: run.working_dir.unwrap_or_default(),
        user: run.user.unwrap_or_default(),
        stop_signal: run.stop_signal.unwrap_or_default(),
        exposed_ports: run.exposed_ports.unwrap_or_default().into_keys().collect(),
        volumes: run.volumes.unwrap_or_default().into_keys().collect(),
        labels: run.labels.unwrap_or_default(),
        healthcheck: run.healthcheck.and_then(healthcheck),
    };
    Ok(Config { config, diff_ids: rootfs.diff_ids.unwrap_or_default() })
}

fn healthcheck(wire: WireHealthcheck) -> Option<ImageHealthcheck> {
    let time = |nanos: u64| (nanos > 0).then(|| Duration::from_nanos(nanos));
    Some(ImageHealthcheck {
        test: wire.test.filter(|test| !test.is_empty())?,
        interval: time(wire.interval),
        timeout: time(wire.timeout),
        start_period: time(wire.start_period),
        retries: (wire.retries > 0).then_some(wire.retries),
    })
}

/// Reads a document of any of these kinds.
pub(crate) fn json<'de, T: Deserialize<'de>>(
    bytes: &'de [u8],
    what: &str,
) -> Result<T, ImageError> {
    serde_json::from_slice(bytes).map_err(|error| malformed(&format!("{what}: {error}")))
}

pub(crate) fn malformed(why: &str) -> ImageError {
    ImageError::Malformed(why.to_owned())
}
