//! The contract of all substrates, and what only this one promises: that nothing is left.
//!
//! Needs root; without, every test says so and passes.

#![allow(clippy::print_stdout, clippy::unwrap_used)] // a test that is skipped says why

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use haar_clock::Clock;
use haar_substrate::{ContainerState, Lifetime, SandboxStatus, Substrate, contract};
use haar_substrate_oci::{OciConfig, OciSubstrate};
use tempfile::TempDir;

/// A substrate of its own for one test.
struct Bench {
    substrate: OciSubstrate,
    dir: TempDir,
}

fn config(dir: &Path) -> OciConfig {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    OciConfig {
        state_dir: dir.join(format!("run-{number}")),
        instance: format!("test-{}-{number}", std::process::id()),
        spawnd_exe: env!("CARGO_BIN_EXE_haar-spawnd").into(),
        images: None,
        ephemeral: None,
    }
}

async fn bench() -> Option<Bench> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let substrate = OciSubstrate::start(config(dir.path())).await.expect("the helper starts");
    if !substrate.capabilities().usable {
        println!("skipped: {:?}", substrate.capabilities().findings);
        return None;
    }
    Some(Bench { substrate, dir })
}

macro_rules! contract {
    ($($check:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $check() {
            if let Some(bench) = bench().await {
                contract::$check(&bench.substrate).await;
            }
        })*
    };
}

contract! {
    ends_are_told
    missing_programs_are_refused
    verbs_can_be_repeated
    removal_lets_programs_finish
    processes_are_as_asked
    memory_is_limited
    fork_bombs_are_contained
    writing_is_limited
    containers_share_a_sandbox
    the_host_is_hidden
    privileges_are_dropped
    freezing_stops_everything
    figures_are_told
    listeners_are_inside
    the_way_out_leads_everywhere
    programs_inside_can_be_dialled
    many_run_at_once
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mounts_show_their_sources() {
    if let Some(bench) = bench().await {
        contract::mounts_show_their_sources(&bench.substrate, bench.dir.path()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn warm_sandboxes_take_work() {
    if let Some(bench) = bench().await {
        contract::warm_sandboxes_take_work(&bench.substrate, bench.dir.path()).await;
    }
}

/// What of this instance is still on the host.
fn left(config: &OciConfig) -> Vec<String> {
    let group = format!("haar-{}", config.instance);
    let mut left = Vec::new();
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        if hierarchy.path().join(&group).exists() {
            left.push(hierarchy.path().join(&group).display().to_string());
        }
    }
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let line = std::fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
        if line.contains(&config.instance) {
            left.push(line);
        }
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let dir = config.state_dir.display().to_string();
    left.extend(mounts.lines().filter(|line| line.contains(&dir)).map(str::to_owned));
    left
}

async fn until_nothing_is_left(config: &OciConfig) {
    let clock = Clock::system();
    let mut found = left(config);
    for _ in 0..1_000 {
        if found.is_empty() {
            return;
        }
        clock.sleep(Duration::from_millis(10)).await;
        found = left(config);
    }
    panic!("left: {found:#?}");
}

fn pid_of(status: &SandboxStatus) -> u32 {
    match status.containers.values().next().map(|container| &container.state) {
        Some(ContainerState::Running { pid }) => *pid,
        other => panic!("{other:?}"),
    }
}

fn lives(pid: u32) -> bool {
    // a zombie has died, whoever may still have to reap it
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    status.is_ok_and(|status| !status.contains("State:\tZ"))
}

/// Who dies leaves its control group a moment before it is a zombie.
async fn until_dead(pid: u32) {
    let clock = Clock::system();
    for _ in 0..100 {
        if !lives(pid) {
            return;
        }
        clock.sleep(Duration::from_millis(10)).await;
    }
    panic!("{pid} lives");
}

/// Runs a server in a runtime of its own, then drops both as a crash would.
fn with_server<T: Send>(
    config: &OciConfig,
    work: impl AsyncFn(&OciSubstrate) -> T + Send + Sync,
) -> T {
    std::thread::scope(|scope| {
        let server = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            let result = runtime.block_on(async {
                let substrate = OciSubstrate::start(config.clone()).await.expect("it starts");
                work(&substrate).await
            });
            runtime.shutdown_background();
            result
        });
        server.join().expect("the server does not panic")
    })
}

#[tokio::test]
async fn nothing_is_left_when_the_server_goes() {
    let Some(bench) = bench().await else { return };
    let config = config(bench.dir.path());
    let pids = with_server(&config, async |substrate| {
        let template = contract::python_template("left");
        substrate.prepare(vec![(template.clone(), 2)]).await.unwrap();
        let running = substrate.ensure(contract::shell("one", "sleep 1000 & sleep 1000")).await;
        let frozen = substrate.ensure(contract::shell("two", "exec sleep 1000")).await.unwrap();
        substrate.freeze(&frozen.id, true).await.unwrap();
        substrate.ensure(contract::shell("three", "exit 0")).await.unwrap();
        let warm = contract::assigned("four", &template, "import time; time.sleep(1000)");
        let warm = substrate.ensure(warm).await.unwrap();
        [pid_of(&running.unwrap()), pid_of(&frozen), pid_of(&warm)]
    });
    until_nothing_is_left(&config).await;
    for pid in pids {
        until_dead(pid).await;
    }
}

#[tokio::test]
async fn what_has_a_life_of_its_own_is_adopted() {
    let Some(bench) = bench().await else { return };
    let config = config(bench.dir.path());
    let pids = with_server(&config, async |substrate| {
        let script = "echo before; read x </tmp/go; echo after; exit 4";
        let mut own = contract::shell("own", &format!("mkfifo /tmp/go; {script}"));
        own.lifetime = Lifetime::Own;
        let own = substrate.ensure(own).await.unwrap();
        let dying = substrate.ensure(contract::shell("dying", "exec sleep 1000")).await.unwrap();
        [pid_of(&own), pid_of(&dying)]
    });
    with_server(&config, async |substrate| {
        assert!(lives(pids[0]));
        let listed = substrate.list().await.unwrap();
        assert_eq!(listed.iter().map(|each| each.id.0.as_str()).collect::<Vec<_>>(), ["own"]);
        let id = listed[0].id.clone();
        let mut output = substrate.output(&id, "main").await.unwrap();
        assert_eq!(output.next().await.unwrap().bytes, "before\n");
        // opened, not made anew: hosts refuse that for another's pipe in a shared directory
        let mut go = std::fs::OpenOptions::new();
        let mut go = go.write(true).open(format!("/proc/{}/root/tmp/go", pids[0])).unwrap();
        go.write_all(b"x\n").unwrap();
        assert_eq!(output.next().await.unwrap().bytes, "after\n");
        assert_eq!(substrate.wait(&id, "main").await.unwrap().code, Some(4));
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    until_nothing_is_left(&config).await;
    assert!(!lives(pids[1]));
}

#[tokio::test]
async fn a_helper_that_is_killed_takes_all_with_it_and_is_replaced() {
    let Some(bench) = bench().await else { return };
    let config = config(bench.dir.path());
    with_server(&config, async |substrate| {
        let spec = contract::shell("one", "exec sleep 1000");
        let first = substrate.ensure(spec.clone()).await.unwrap();
        let helper = parent_of(pid_of(&first));
        rustix::process::kill_process(helper, rustix::process::Signal::KILL).unwrap();
        assert_eq!(substrate.wait(&first.id, "main").await.unwrap().signal, Some(9));
        let again = substrate.ensure(spec).await.unwrap();
        assert_ne!(pid_of(&again), pid_of(&first));
        assert!(lives(pid_of(&again)) && !lives(pid_of(&first)));
    });
    until_nothing_is_left(&config).await;
}

fn parent_of(pid: u32) -> rustix::process::Pid {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    rustix::process::Pid::from_raw(line.trim().parse().unwrap()).unwrap()
}
