//! Measures what starting a container with an address of its own costs, against crun and runc
//! with the same root and no network at all. Needs root, busybox-static, crun and runc.
//!
//! `cargo run --release -p haar-substrate-oci --example tasks`

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use haar_clock::Clock;
use haar_images::build::{self, Compression};
use haar_images::{Bounds, OciLayout, Store};
use haar_substrate::{
    Bridged, ContainerSpec, Filter, FilterRule, ImageConfig, ImageId, ImageRef, ImageStore,
    Lifetime, Network, OutputMode, Peer, Root, RuleProtocol, RunAs, SandboxId, SandboxSpec,
    Substrate, User,
};
use haar_substrate_oci::{OciConfig, OciSubstrate, spawnd_main};

/// Times that each start is measured.
const ROUNDS: usize = 40;
/// Runs that are going on at once, in the second part, and all of them.
const AT_ONCE: usize = 4;
const RUNS: usize = 80;

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|word| word == "spawnd") {
        return spawnd_main(std::env::args().skip(2));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
    ExitCode::SUCCESS
}

async fn measure() {
    let Some(busybox) = build::busybox() else {
        println!("install busybox-static");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let layer = busybox.dir("proc/", 0o755).dir("sys/", 0o755).dir("dev/", 0o755).finish();
    unpack(dir.path(), &layer);
    let store =
        Store::open(&dir.path().join("images"), Clock::system(), Bounds::default()).unwrap();
    let layout = dir.path().join("layout");
    build::layout(&layout, &ImageConfig::default(), &[(layer, Compression::None)]);
    let source = Arc::new(OciLayout::new(&layout));
    let image = store.pull(&ImageRef("busybox".into()), "latest", source).await.unwrap();
    let substrate = OciSubstrate::start(OciConfig {
        state_dir: dir.path().join("run"),
        instance: format!("tasks-{}", std::process::id()),
        spawnd_exe: std::env::current_exe().unwrap(),
        images: Some(Arc::new(store)),
        ephemeral: None,
    })
    .await
    .unwrap();

    for round in 0..3 {
        println!("round {round}");
        report("own bridge, address and overlay: ensure + start", async |number| {
            let id = format!("start-{round}-{number}");
            start(&substrate, &image, &id, number).await.0
        })
        .await;
        report("the same, to its end and removed", async |number| {
            let id = format!("end-{round}-{number}");
            start(&substrate, &image, &id, number).await.1
        })
        .await;
        for runtime in ["crun", "runc"] {
            if !has(runtime) {
                println!("{runtime} is not installed");
                continue;
            }
            let name = format!("{runtime} run, same root, no network, to its end");
            let bundle = dir.path().to_owned();
            report(&name, async |number| run(runtime, &bundle, number)).await;
        }
    }
    println!("runs a second, {AT_ONCE} at once:");
    let started = Instant::now();
    let runs = (0..AT_ONCE).map(|lane| {
        let (substrate, image) = (&substrate, &image);
        async move {
            for number in 0..RUNS / AT_ONCE {
                let id = format!("rate-{lane}-{number}");
                start(substrate, image, &id, lane).await;
            }
        }
    });
    futures_util::future::join_all(runs).await;
    println!("  own  {:.0}", RUNS as f64 / started.elapsed().as_secs_f64());
    for runtime in ["crun", "runc"].into_iter().filter(|runtime| has(runtime)) {
        let started = Instant::now();
        std::thread::scope(|scope| {
            for lane in 0..AT_ONCE {
                let bundle = dir.path();
                scope.spawn(move || {
                    for number in 0..RUNS / AT_ONCE {
                        run(runtime, bundle, 1_000 * (lane + 1) + number);
                    }
                });
            }
        });
        println!("  {runtime} {:.0}", RUNS as f64 / started.elapsed().as_secs_f64());
    }
}

/// Starts a task; how long until its program ran, and until it had ended and was removed.
async fn start(
    substrate: &OciSubstrate,
    image: &ImageId,
    id: &str,
    number: usize,
) -> (Duration, Duration) {
    let network = Network::Bridged(Bridged {
        address: Ipv4Addr::new(10, 213, 7, 10 + number as u8),
        prefix: 24,
        gateway: Ipv4Addr::new(10, 213, 7, 1),
        mac: None,
        dns: Vec::new(),
        search: Vec::new(),
        ports: Vec::new(),
        realm: None,
        filter: Some(filter()),
    });
    let id = SandboxId(id.to_owned());
    let spec = SandboxSpec { lifetime: Lifetime::Own, network, ..SandboxSpec::new(id.clone()) };
    let container = ContainerSpec {
        argv: vec!["/bin/true".to_owned()],
        user: RunAs::Ids(User { uid: 0, gid: 0 }),
        output: OutputMode::Kept { bytes: 1 << 20 },
        ..ContainerSpec::new("main", Root::Image(image.clone()))
    };
    let began = Instant::now();
    substrate.ensure(spec).await.unwrap();
    substrate.start(&id, container).await.unwrap();
    let started = began.elapsed();
    substrate.wait(&id, "main").await.unwrap();
    substrate.remove(&id, Duration::ZERO).await.unwrap();
    (started, began.elapsed())
}

/// What a default security group lets through.
fn filter() -> Filter {
    let peer = Peer { address: Ipv4Addr::UNSPECIFIED, prefix: 0 };
    let any = |peers, groups| FilterRule { protocol: RuleProtocol::Any, peers, groups };
    Filter {
        groups: vec!["default".to_owned()],
        ingress: vec![any(Vec::new(), vec!["default".to_owned()])],
        egress: vec![any(vec![peer], Vec::new())],
    }
}

fn unpack(dir: &Path, layer: &[u8]) {
    std::fs::create_dir_all(dir.join("rootfs")).unwrap();
    tar::Archive::new(layer).unpack(dir.join("rootfs")).unwrap();
    let spec = Command::new("runc").arg("spec").current_dir(dir).output();
    let made = spec.is_ok_and(|output| output.status.success())
        || Command::new("crun").arg("spec").current_dir(dir).status().is_ok_and(|s| s.success());
    if made {
        let path = dir.join("config.json");
        let mut config: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        config["process"]["terminal"] = false.into();
        config["process"]["args"] = serde_json::json!(["/bin/true"]);
        // a runtime without the capability to raise limits is refused any
        config["process"]["rlimits"] = serde_json::json!([]);
        let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "cgroup");
        std::fs::write(path, config.to_string()).unwrap();
    }
}

fn has(runtime: &str) -> bool {
    Command::new(runtime).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Has another runtime run the same program. crun takes hybrid hosts for version 2 unless the
/// unified tree is out of its sight.
fn run(runtime: &str, bundle: &Path, number: usize) -> Duration {
    let name = format!("haar-bench-{}-{number}", std::process::id());
    let line = format!(
        "umount /sys/fs/cgroup/unified 2>/dev/null; exec {runtime} run -b {} {name}",
        bundle.display()
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &line]).stdin(Stdio::null()).stdout(Stdio::null());
    let began = Instant::now();
    let output = command.output().unwrap();
    assert!(output.status.success(), "{runtime}: {}", String::from_utf8_lossy(&output.stderr));
    began.elapsed()
}

/// Runs a measurement many times and prints milliseconds.
async fn report(name: &str, work: impl AsyncFn(usize) -> Duration) {
    let mut took = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        took.push(work(round).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    took.sort();
    let ms = |at: usize| took[at].as_secs_f64() * 1e3;
    let (least, half, most) = (ms(0), ms(ROUNDS / 2), ms(ROUNDS * 9 / 10));
    println!("{name:56} min {least:7.2}  p50 {half:7.2}  p90 {most:7.2}");
}
