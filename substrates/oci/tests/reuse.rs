//! Networks, control groups and roots that one sandbox after another has.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)] // as tests do

mod house;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::time::Duration;

use haar_substrate::{Capability, ContainerState, Limits, SandboxId, SandboxSpec, Substrate};
use haar_substrate_oci::OciSubstrate;
use house::{House, container, text};

/// More than are made ahead and kept.
const ROUNDS: usize = 40;

/// What a container finds of its network: the host's side, its addresses, its routes, who it knows.
const LOOK: &str = "cat /sys/class/net/eth0/iflink; \
    ip -4 -o addr show dev eth0 | awk '{print $4}'; ip -4 route | wc -l; tail -n +2 /proc/net/arp";

async fn look(
    house: &House,
    substrate: &OciSubstrate,
    spec: SandboxSpec,
    more: &str,
) -> Vec<String> {
    let id = substrate.ensure(spec).await.unwrap().id;
    let mut main = container(house, "main", &format!("{LOOK}; {more}"));
    if !more.is_empty() {
        main.capabilities_add = vec![Capability("NET_ADMIN".to_owned())];
    }
    substrate.start(&id, main).await.unwrap();
    assert_eq!(substrate.wait(&id, "main").await.unwrap().code, Some(0));
    let said = text(substrate, &id, "main").await;
    let stats = substrate.stats(&id).await.unwrap();
    assert!(stats.network_tx.count < 50, "of this sandbox alone: {:?}", stats.network_tx);
    substrate.remove(&id, Duration::ZERO).await.unwrap();
    said.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_is_used_again_has_nothing_of_the_one_before() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let mut interfaces = BTreeSet::new();
        for round in 0..ROUNDS {
            let (spec, address) = house.task(&format!("one{round}"));
            let said = look(&house, substrate, spec, "").await;
            let [interface, own, routes] = said.as_slice() else { panic!("{said:?}") };
            assert_eq!(own, &format!("{address}/24"));
            assert_eq!(routes, "2");
            interfaces.insert(interface.clone());
        }
        assert!(interfaces.len() < ROUNDS / 2, "{interfaces:?}");
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_somebody_could_change_is_nobody_elses() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, address) = house.task("changes");
        let changed = look(&house, substrate, spec, "ip addr add 10.250.0.1/32 dev eth0").await;
        for round in 0..ROUNDS / 2 {
            let spec = house.again(&SandboxId(format!("next{round}")), address);
            let said = look(&house, substrate, spec, "").await;
            assert_ne!(said[0], changed[0]);
            assert_eq!(said[1..3], [format!("{address}/24"), "2".to_owned()]);
        }
    });
    house.until_nothing_is_left().await;
}

/// What a sandbox that has ended may still take.
const GRACE: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_free_when_the_interface_that_had_it_is_silent() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (mut spec, address) = house.task("first");
        for round in 0..5 {
            let id = substrate.ensure(spec).await.unwrap().id;
            let mut main = container(&house, "main", "exec sleep 1000");
            main.capabilities_add = vec![Capability("NET_ADMIN".to_owned())];
            let started = substrate.start(&id, main).await.unwrap();
            let ContainerState::Running { pid } = started.containers["main"].state else {
                panic!()
            };
            // nothing goes by itself while somebody holds it
            let _network = File::open(format!("/proc/{pid}/ns/net")).unwrap();
            let other_side = format!("/proc/{pid}/root/sys/class/net/eth0/iflink");
            let other_side = fs::read_to_string(other_side).unwrap();
            substrate.remove(&id, Duration::ZERO).await.unwrap();
            spec = house.again(&SandboxId(format!("next{round}")), address);
            substrate.ensure(spec.clone()).await.unwrap();
            assert!(!is_up(&other_side), "{round}");
            substrate.remove(&spec.id, GRACE).await.unwrap();
        }
    });
    house.until_nothing_is_left().await;
}

/// The host's interface of this number is there and up.
fn is_up(number: &str) -> bool {
    let all = fs::read_dir("/sys/class/net").unwrap().flatten().map(|entry| entry.path());
    let read = |path: std::path::PathBuf| fs::read_to_string(path).unwrap_or_default();
    let mut same = all.filter(|path| read(path.join("ifindex")) == number);
    same.any(|path| read(path.join("operstate")).trim() == "up")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_group_that_is_used_again_counts_anew_and_has_its_own_limits() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let mut worked = Duration::MAX; // what the busy one before took
        for round in 0..12_u32 {
            let (mut spec, _) = house.task(&format!("group{round}"));
            let busy = round % 3 == 0;
            let most = 100 + u64::from(round % 2);
            spec.limits = Limits { pids: Some(most as u32), ..Limits::default() };
            let id = substrate.ensure(spec).await.unwrap().id;
            let script = match busy {
                true => {
                    "x=$(head -c 20000000 /dev/zero | tr '\\0' x); n=0; \
                     while [ $n -lt 60000 ]; do n=$((n+1)); done"
                }
                false => "true",
            };
            let limit =
                "cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max";
            substrate.start(&id, container(&house, "main", script)).await.unwrap();
            assert_eq!(substrate.wait(&id, "main").await.unwrap().code, Some(0));
            let stats = substrate.stats(&id).await.unwrap();
            assert_eq!(stats.memory_peak_bytes > 15_000_000, busy, "{round}: {stats:?}");
            if busy {
                worked = stats.cpu;
            }
            assert!(busy || stats.cpu * 2 < worked, "{round}: {worked:?} before, {stats:?}");
            substrate.start(&id, container(&house, "look", limit)).await.unwrap();
            assert_eq!(substrate.wait(&id, "look").await.unwrap().code, Some(0));
            assert_eq!(text(substrate, &id, "look").await.trim(), "max");
            let group = format!("/sys/fs/cgroup/pids/haar-{}", house.config.instance);
            let limits = limits_below(&group);
            assert!(limits.is_empty() || limits.contains(&most.to_string()), "{limits:?}");
            substrate.remove(&id, GRACE).await.unwrap();
        }
    });
    house.until_nothing_is_left().await;
}

/// What sandboxes' groups say of their processes, where they are of version 1.
fn limits_below(group: &str) -> Vec<String> {
    let groups = fs::read_dir(group).into_iter().flatten().flatten();
    let read = |path: std::path::PathBuf| fs::read_to_string(path.join("pids.max")).ok();
    groups.filter_map(|one| Some(read(one.path())?.trim().to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_root_that_is_used_again_has_nothing_of_the_one_before() {
    let Some(house) = House::new().await else { return };
    const CHANGES: [&str; 8] = [
        "true",
        "true",
        "echo x >/secret",
        "chmod 700 /",
        "mkdir /srv/app/deep; rmdir /srv/app/deep",
        "echo x >>/etc/passwd",
        "rm -r /bin/busybox",
        "chown 7:7 /srv",
    ];
    house.crash(async |substrate| {
        let mut seen = BTreeSet::new();
        for (round, change) in CHANGES.iter().cycle().take(3 * CHANGES.len()).enumerate() {
            let (spec, _) = house.task(&format!("root{round}"));
            let id = substrate.ensure(spec).await.unwrap().id;
            let look = "stat -c '%a %u %n' / /srv /srv/* /etc/*; ls -a / /srv/app; cat /etc/passwd";
            let mut main = container(&house, "main", &format!("{look}; {change}"));
            main.root_size_bytes = Some(64 << 20);
            main.cwd = "/".to_owned();
            substrate.start(&id, main).await.unwrap();
            assert_eq!(substrate.wait(&id, "main").await.unwrap().code, Some(0), "{change}");
            seen.insert(text(substrate, &id, "main").await);
            substrate.remove(&id, GRACE).await.unwrap();
        }
        assert_eq!(seen.len(), 1, "{seen:#?}");
    });
    house.until_nothing_is_left().await;
}
