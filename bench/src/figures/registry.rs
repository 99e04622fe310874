//! Push and pull of a 200 MB image over loopback, beside Debian's `docker-registry`: the same
//! client, the same disk.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::try_join_all;
use http::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::Bench;
use crate::client::{Ask, Connection};
use crate::cloud::{Cloud, data_dir};
use crate::counting::count;
use crate::images::run;
use crate::report::{Samples, milliseconds};
use crate::tasks::{CREATE_REPOSITORY, call};

/// Bytes of the image, over all layers.
const IMAGE_BYTES: usize = 200 << 20;
const LAYERS: usize = 4;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

pub(super) async fn measure(bench: &mut Bench) -> Result<(), String> {
    let rounds = bench.rounds(10);
    let (folder, data) = data_dir(&bench.haar)?;

    let cloud = Cloud::start(&bench.haar, Some(&data), &[]).await?;
    let mut connection = Connection::open(&cloud.authority).await?;
    for round in 0..rounds {
        for kind in ["app", "bare"] {
            let name = json!({ "repositoryName": format!("{kind}{round}") });
            connection.must(&call("ecr", CREATE_REPOSITORY, &name)).await?;
        }
    }
    let peer = Peer::start(folder.path()).await?;
    // Turn by turn, so that both meet the machine in the same moods; each time with another image,
    // or the client would know that the registry has it.
    let (mut ours, mut theirs) = (Pair::default(), Pair::default());
    let (mut ours_bare, mut theirs_bare) = (Pair::default(), Pair::default());
    for round in 0..rounds {
        let layout = folder.path().join(format!("image{round}"));
        Image::make(round as u64).lay_out(&layout).await?;
        ours.round(&cloud.authority, round, &layout).await?;
        theirs.round(&peer.authority, round, &layout).await?;
        tokio::fs::remove_dir_all(&layout).await.map_err(|error| error.to_string())?;
        let image = Image::make((rounds + round) as u64);
        ours_bare.bare_round(&cloud.authority, round, &image).await?;
        theirs_bare.bare_round(&peer.authority, round, &image).await?;
    }
    for (what, ours, theirs) in [
        ("push of a 200 MB image by skopeo", &ours.push, &theirs.push),
        ("pull of a 200 MB image by skopeo", &ours.pull, &theirs.pull),
        ("the same push by a client that only sends", &ours_bare.push, &theirs_bare.push),
        ("the same pull by a client that only counts", &ours_bare.pull, &theirs_bare.pull),
    ] {
        bench.report.row(
            &format!("{what}, p50"),
            milliseconds(ours.p50()),
            format!("{}: docker-registry", milliseconds(theirs.p50())),
            format!("{:.2} ×", theirs.p50().as_secs_f64() / ours.p50().as_secs_f64()),
            "≥ 1.5 ×",
        );
    }
    peer.stop().await;
    cloud.stop().await
}

/// Times of pushes and pulls.
#[derive(Default)]
struct Pair {
    push: Samples,
    pull: Samples,
}

impl Pair {
    /// A push of a repository of its own, then a pull into nowhere.
    async fn round(&mut self, authority: &str, round: usize, layout: &Path) -> Result<(), String> {
        let there = format!("docker://{authority}/app{round}:v1");
        let image = format!("oci:{}:latest", layout.display());
        self.push.add(skopeo(&["--dest-tls-verify=false", &image, &there]).await?);
        let copy = layout.with_file_name("copy");
        let into = format!("dir:{}", copy.display());
        self.pull.add(skopeo(&["--src-tls-verify=false", &there, &into]).await?);
        tokio::fs::remove_dir_all(&copy).await.map_err(|error| error.to_string())
    }

    /// The same by a client that costs next to nothing itself.
    async fn bare_round(
        &mut self,
        authority: &str,
        round: usize,
        image: &Image,
    ) -> Result<(), String> {
        let repository = format!("bare{round}");
        let begin = Instant::now();
        image.push(authority, &repository).await?;
        self.push.add(begin.elapsed());
        let begin = Instant::now();
        image.pull(authority, &repository).await?;
        self.pull.add(begin.elapsed());
        Ok(())
    }
}

async fn skopeo(arguments: &[&str]) -> Result<Duration, String> {
    let mut command = Command::new("skopeo");
    run(command.args(["--insecure-policy", "copy", "--quiet"]).args(arguments)).await
}

/// Debian's registry, as a child.
struct Peer {
    child: Child,
    authority: String,
}

impl Peer {
    async fn start(folder: &Path) -> Result<Self, String> {
        let said = |error: std::io::Error| error.to_string();
        let free = TcpListener::bind("127.0.0.1:0").await.map_err(said)?;
        let authority = free.local_addr().map_err(said)?.to_string();
        drop(free);
        let root = folder.join("peer");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
             http:\n  addr: {authority}\n",
            root.display()
        );
        let file = folder.join("peer.yml");
        tokio::fs::write(&file, text).await.map_err(said)?;
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&file).stdin(Stdio::null()).kill_on_drop(true);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child =
            child.map_err(|error| format!("docker-registry (Debian's package): {error}"))?;
        for _ in 0..100 {
            if Connection::open(&authority).await.is_ok() {
                return Ok(Self { child, authority });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err("docker-registry did not start".to_owned())
    }

    async fn stop(mut self) {
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.child.wait().await; // it has been told to stop
    }
}

/// An image of layers that do not compress.
struct Image {
    /// Its blobs by digest, the configuration last.
    blobs: Vec<(String, Bytes)>,
    manifest: Bytes,
}

impl Image {
    fn make(seed: u64) -> Self {
        let (mut blobs, mut layers) = (Vec::new(), Vec::new());
        for number in 0..LAYERS {
            let layer = noise(IMAGE_BYTES / LAYERS, seed * 1000 + number as u64 + 1);
            layers.push(named("application/vnd.oci.image.layer.v1.tar", &layer));
            blobs.push((digest(&layer), layer.into()));
        }
        let diff_ids: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = config.to_string();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "layers": layers,
            "config": named("application/vnd.oci.image.config.v1+json", config.as_bytes()),
        });
        blobs.push((digest(config.as_bytes()), config.into()));
        Self { blobs, manifest: manifest.to_string().into() }
    }

    /// Writes it as OCI lays it out.
    async fn lay_out(&self, folder: &Path) -> Result<(), String> {
        let said = |error: std::io::Error| error.to_string();
        let place = folder.join("blobs/sha256");
        tokio::fs::create_dir_all(&place).await.map_err(said)?;
        let manifest = (digest(&self.manifest), self.manifest.clone());
        for (name, bytes) in self.blobs.iter().chain([&manifest]) {
            let file = place.join(name.trim_start_matches("sha256:"));
            tokio::fs::write(file, bytes).await.map_err(said)?;
        }
        let mut entry = named(MANIFEST, &self.manifest);
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
        let index = json!({ "schemaVersion": 2, "manifests": [entry] });
        tokio::fs::write(folder.join("index.json"), index.to_string()).await.map_err(said)?;
        let version = json!({ "imageLayoutVersion": "1.0.0" });
        tokio::fs::write(folder.join("oci-layout"), version.to_string()).await.map_err(said)
    }

    /// Pushes it by nothing but the requests that a push takes, all blobs at once.
    async fn push(&self, authority: &str, repository: &str) -> Result<(), String> {
        let all = self.blobs.iter().map(async |(name, bytes)| {
            let mut connection = Connection::open(authority).await?;
            let begin = format!("/v2/{repository}/blobs/uploads/");
            let begin = Ask::new(Method::POST, begin, "");
            let place = path_of(&connection.header_of(&begin, "location").await?);
            let bytes = Ask::new(Method::PATCH, place, bytes.clone());
            let place = path_of(&connection.header_of(&bytes, "location").await?);
            let join = if place.contains('?') { '&' } else { '?' };
            let end = format!("{place}{join}digest={name}");
            connection.must(&Ask::new(Method::PUT, end, "")).await.map(drop)
        });
        try_join_all(all).await?;
        let tag = format!("/v2/{repository}/manifests/v1");
        let put = Ask::new(Method::PUT, tag, self.manifest.clone());
        let put = put.header("content-type", MANIFEST);
        Connection::open(authority).await?.must(&put).await.map(drop)
    }

    /// Pulls it into nowhere.
    async fn pull(&self, authority: &str, repository: &str) -> Result<(), String> {
        let tag = format!("/v2/{repository}/manifests/v1");
        let get = Ask::new(Method::GET, tag, "").header("accept", MANIFEST);
        Connection::open(authority).await?.must(&get).await?;
        let all = self.blobs.iter().map(async |(name, bytes)| {
            let get = Ask::new(Method::GET, format!("/v2/{repository}/blobs/{name}"), "");
            let count = count(authority, &get).await?;
            (count == bytes.len()).then_some(()).ok_or_else(|| format!("{count} bytes came"))
        });
        try_join_all(all).await.map(drop)
    }
}

/// The path and the query of an address.
fn path_of(location: &str) -> String {
    let rest = location.strip_prefix("http://").unwrap_or(location);
    rest.find('/').map_or("/", |at| &rest[at..]).to_owned()
}

fn named(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() })
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", sha256(bytes))
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // a String takes everything
        text
    })
}

/// Bytes that do not compress, the same each time.
pub(super) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
