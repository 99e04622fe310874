//! Push and pull of a 200 MB image over loopback, beside Debian's `docker-registry`: the same
//! client, the same disk.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::Bench;
use crate::client::Connection;
use crate::cloud::{Cloud, data_dir};
use crate::images::run;
use crate::report::{Samples, milliseconds};
use crate::tasks::{CREATE_REPOSITORY, call};

/// Bytes of the image, over all layers.
const IMAGE_BYTES: usize = 200 << 20;
const LAYERS: usize = 4;

pub(super) async fn measure(bench: &mut Bench) -> Result<(), String> {
    let rounds = bench.rounds(10);
    let (folder, data) = data_dir(&bench.haar)?;

    let cloud = Cloud::start(&bench.haar, Some(&data), &[]).await?;
    let mut connection = Connection::open(&cloud.authority).await?;
    for round in 0..rounds {
        let name = json!({ "repositoryName": format!("app{round}") });
        connection.must(&call("ecr", CREATE_REPOSITORY, &name)).await?;
    }
    let peer = Peer::start(folder.path()).await?;
    // Turn by turn, so that both meet the machine in the same moods; each time with another image,
    // or the client would know that the registry has it.
    let (mut ours, mut theirs) = (Pair::default(), Pair::default());
    for round in 0..rounds {
        let layout = folder.path().join(format!("image{round}"));
        lay_out(&layout, round as u64).await?;
        ours.round(&cloud.authority, round, &layout).await?;
        theirs.round(&peer.authority, round, &layout).await?;
        tokio::fs::remove_dir_all(&layout).await.map_err(|error| error.to_string())?;
    }
    for (what, ours, theirs) in
        [("push", &ours.push, &theirs.push), ("pull", &ours.pull, &theirs.pull)]
    {
        bench.report.row(
            &format!("{what} of a 200 MB image by skopeo, p50"),
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

/// Writes an image of layers that do not compress, as OCI lays it out.
async fn lay_out(folder: &Path, seed: u64) -> Result<(), String> {
    let said = |error: std::io::Error| error.to_string();
    let blobs = folder.join("blobs/sha256");
    tokio::fs::create_dir_all(&blobs).await.map_err(said)?;
    let mut layers = Vec::new();
    for number in 0..LAYERS {
        let layer = noise(IMAGE_BYTES / LAYERS, seed * 1000 + number as u64 + 1);
        let media_type = "application/vnd.oci.image.layer.v1.tar";
        layers.push(blob(&blobs, media_type, &layer).await?);
    }
    let diff_ids: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let media_type = "application/vnd.oci.image.config.v1+json";
    let config = blob(&blobs, media_type, config.to_string().as_bytes()).await?;
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers,
    });
    let mut entry = blob(&blobs, media_type, manifest.to_string().as_bytes()).await?;
    entry["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
    let index = json!({ "schemaVersion": 2, "manifests": [entry] });
    tokio::fs::write(folder.join("index.json"), index.to_string()).await.map_err(said)?;
    let version = json!({ "imageLayoutVersion": "1.0.0" });
    tokio::fs::write(folder.join("oci-layout"), version.to_string()).await.map_err(said)
}

async fn blob(folder: &Path, media_type: &str, bytes: &[u8]) -> Result<Value, String> {
    let hex = sha256(bytes);
    let path: PathBuf = folder.join(&hex);
    tokio::fs::write(path, bytes).await.map_err(|error| error.to_string())?;
    let digest = format!("sha256:{hex}");
    Ok(json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() }))
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
