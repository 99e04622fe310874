//! A runtime with an image, for tests.

#![allow(dead_code)] // each test program uses its part
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)] // as tests do

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use haar_clock::Clock;
use haar_images::build::{self, Compression};
use haar_images::{Bounds, OciLayout, Store};
use haar_substrate::{
    Bridged, ContainerSpec, ExecSpec, ImageConfig, ImageId, ImageRef, ImageStore, Lifetime,
    Network, OutputChunk, OutputMode, Root, RunAs, SandboxId, SandboxSpec, Substrate, User,
};
use haar_substrate_oci::{OciConfig, OciSubstrate};
use tempfile::TempDir;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// One instance with its directory and subnet.
pub(crate) struct House {
    pub(crate) config: OciConfig,
    pub(crate) image: ImageId,
    subnet: [u8; 3],
    last: AtomicU32,
    _dir: TempDir,
}

impl House {
    /// None where this host cannot.
    pub(crate) async fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let instance = format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
        if !haar_substrate_oci::capabilities(&instance).usable {
            println!("skipped: sandboxes cannot be made here");
            return None;
        }
        let Some(busybox) = build::busybox() else {
            println!("skipped: busybox-static is not installed");
            return None;
        };
        let store =
            Store::open(&dir.path().join("images"), Clock::system(), Bounds::default()).unwrap();
        let image = pull(&store, dir.path(), busybox.dir("srv/app/", 0o755).finish()).await;
        let config = OciConfig {
            state_dir: dir.path().join("run"),
            instance,
            spawnd_exe: env!("CARGO_BIN_EXE_haar-spawnd").into(),
            images: Some(Arc::new(store)),
            ephemeral: None,
        };
        // subnets of tests that run side by side must differ
        let [a, b, ..] = std::process::id().wrapping_mul(2_654_435_761).to_be_bytes();
        Some(Self { config, image, subnet: [10, a, b], last: AtomicU32::new(4), _dir: dir })
    }

    pub(crate) async fn start(&self) -> OciSubstrate {
        OciSubstrate::start(self.config.clone()).await.expect("the helper starts")
    }

    /// A sandbox that outlives the server, and its address.
    pub(crate) fn task(&self, id: &str) -> (SandboxSpec, Ipv4Addr) {
        let [a, b, c] = self.subnet;
        let address = Ipv4Addr::new(a, b, c, self.last.fetch_add(1, Ordering::SeqCst) as u8);
        (self.again(&SandboxId(id.to_owned()), address), address)
    }

    /// One with an address that may be taken.
    pub(crate) fn again(&self, id: &SandboxId, address: Ipv4Addr) -> SandboxSpec {
        let [a, b, c] = self.subnet;
        let network = Network::Bridged(Bridged {
            address,
            prefix: 24,
            gateway: Ipv4Addr::new(a, b, c, 1),
            mac: None,
            dns: Vec::new(),
            search: Vec::new(),
            ports: Vec::new(),
            realm: None,
            filter: None,
        });
        SandboxSpec { lifetime: Lifetime::Own, network, ..SandboxSpec::new(id.clone()) }
    }

    /// Runs a server in a runtime of its own, then drops both as a crash would.
    pub(crate) fn crash<T: Send>(&self, work: impl AsyncFn(&OciSubstrate) -> T + Send + Sync) -> T {
        std::thread::scope(|scope| {
            let server = scope.spawn(|| {
                let runtime =
                    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
                let result = runtime.block_on(async {
                    let substrate = self.start().await;
                    work(&substrate).await
                });
                runtime.shutdown_background();
                result
            });
            server.join().expect("the server does not panic")
        })
    }

    /// This host has a packet filter.
    pub(crate) fn can_filter(&self) -> bool {
        self.has("nf_tables")
    }

    /// This host has what a finding names.
    pub(crate) fn has(&self, name: &str) -> bool {
        let found = haar_substrate_oci::capabilities(&self.config.instance).findings;
        found.iter().any(|finding| finding.name == name && finding.present)
    }

    /// What of this instance is still on the host.
    fn left(&self) -> Vec<String> {
        let group = format!("haar-{}", self.config.instance);
        let mut left = Vec::new();
        for hierarchy in std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            if hierarchy.path().join(&group).exists() {
                left.push(hierarchy.path().join(&group).display().to_string());
            }
        }
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let line = std::fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
            if line.split('\0').any(|word| word == self.config.instance) {
                left.push(line);
            }
        }
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let dir = self.config.state_dir.display().to_string();
        left.extend(mounts.lines().filter(|line| line.contains(&dir)).map(str::to_owned));
        let tag = haar_substrate_oci::interface_tag(&self.config.instance);
        for link in std::fs::read_dir("/sys/class/net").unwrap().flatten() {
            let name = link.file_name().to_string_lossy().into_owned();
            left.extend(name.contains(&tag).then_some(name));
        }
        for dir in ["sandboxes", "logs"] {
            let entries = std::fs::read_dir(self.config.state_dir.join(dir));
            for entry in entries.into_iter().flatten().flatten() {
                left.push(entry.path().display().to_string());
            }
        }
        left
    }

    /// Waits until the helper has gone and left nothing.
    pub(crate) async fn until_nothing_is_left(&self) {
        let clock = Clock::system();
        let mut found = self.left();
        for _ in 0..1_000 {
            if found.is_empty() {
                return;
            }
            clock.sleep(Duration::from_millis(10)).await;
            found = self.left();
        }
        panic!("left: {found:#?}");
    }
}

impl Drop for House {
    /// After a test that failed: its helper has sandboxes that outlive the server.
    fn drop(&mut self) {
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let line = std::fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
            let ours = line.split('\0').any(|word| word == self.config.instance);
            let pid = process.file_name().to_string_lossy().parse().ok();
            if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw).filter(|_| ours) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        let tag = haar_substrate_oci::interface_tag(&self.config.instance);
        let tables = ["ip haar_", "ip haar_filter_", "bridge haar_frames_"];
        let tables = tables.map(|table| format!("nft delete table {table}{tag}"));
        for command in tables.into_iter().chain([format!("ip link del hb{tag}")]) {
            let _ = std::process::Command::new("sh").args(["-c", &command]).output();
        }
    }
}

async fn pull(store: &Store, dir: &Path, layer: Vec<u8>) -> ImageId {
    let layout = dir.join("layout");
    let config = ImageConfig {
        entrypoint: vec!["sh".into(), "-c".into()],
        cmd: vec!["echo the image".into()],
        env: vec![("A".into(), "image".into())],
        cwd: "/srv/app".into(),
        user: "web".into(),
        ..ImageConfig::default()
    };
    build::layout(&layout, &config, &[(layer, Compression::None)]);
    let source = Arc::new(OciLayout::new(&layout));
    store.pull(&ImageRef("busybox:latest".into()), "latest", source).await.unwrap()
}

/// A container of the image that runs a script as root, and whose output is kept.
pub(crate) fn container(house: &House, name: &str, script: &str) -> ContainerSpec {
    let mut spec = ContainerSpec::new(name, Root::Image(house.image.clone()));
    if !script.is_empty() {
        spec.argv = vec![script.to_owned()];
        spec.user = RunAs::Ids(User { uid: 0, gid: 0 });
    }
    spec.output = OutputMode::Kept { bytes: 1 << 20 };
    spec
}

/// All that a container that has ended said.
pub(crate) async fn text(substrate: &OciSubstrate, id: &SandboxId, container: &str) -> String {
    let logs = substrate.logs(id, container, 0).await.unwrap();
    let chunks: Vec<_> = logs.map(|chunk| chunk.bytes).collect().await;
    String::from_utf8_lossy(&chunks.concat()).into_owned()
}

/// Runs a script in the container `main`; answers its exit code and what it said.
pub(crate) async fn ask(
    substrate: &OciSubstrate,
    id: &SandboxId,
    script: &str,
) -> (Option<i32>, String) {
    let check = ExecSpec::new(&["sh", "-c", script]);
    let check = substrate.exec(id, "main", check).await.unwrap();
    let said = all(check.output().unwrap()).await;
    (check.wait().await.unwrap().code, said)
}

/// All that a program says, of both streams.
pub(crate) async fn all(output: BoxStream<'static, OutputChunk>) -> String {
    let chunks: Vec<_> = output.map(|chunk| chunk.bytes).collect().await;
    String::from_utf8_lossy(&chunks.concat()).into_owned()
}

/// Asks a server that may still be starting.
pub(crate) async fn fetch(address: Ipv4Addr, port: u16, path: &str) -> String {
    let clock = Clock::system();
    for _ in 0..500 {
        if let Ok(mut stream) = TcpStream::connect((address, port)) {
            stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            return answer;
        }
        clock.sleep(Duration::from_millis(10)).await;
    }
    panic!("{address}:{port} does not answer");
}

/// Kills the helper, which is the parent of everything.
pub(crate) fn kill_parent_of(pid: u32) {
    rustix::process::kill_process(parent_of(pid), rustix::process::Signal::KILL).unwrap();
}

/// The helper, where a container's first process is asked about.
pub(crate) fn parent_of(pid: u32) -> rustix::process::Pid {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    rustix::process::Pid::from_raw(line.trim().parse().unwrap()).unwrap()
}
