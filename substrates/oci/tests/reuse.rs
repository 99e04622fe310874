//! Networks, control groups and roots that one sandbox after another has.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)] // as tests do

mod house;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use haar_clock::Clock;
use haar_substrate::{
    Capability, ContainerState, ExecSpec, Limits, SandboxId, SandboxSpec, Substrate, SubstrateError,
};
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

/// After so long what a sandbox has left waits for the next.
const SETTLED: Duration = Duration::from_millis(50);

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
    const CHANGES: [&str; 12] = [
        "true",
        "true",
        "echo x >/secret",
        "chmod 700 /",
        "mkdir /srv/app/deep; rmdir /srv/app/deep",
        "echo x >>/etc/passwd",
        "rm -r /bin/busybox",
        "chown 7:7 /srv",
        "chmod u+s /bin/busybox",
        "mknod /srv/pipe p",
        "ln /bin/busybox /srv/other",
        "touch -d '1970-01-02 00:00' /srv/app",
    ];
    house.crash(async |substrate| {
        let mut seen = BTreeSet::new();
        for (round, change) in CHANGES.iter().cycle().take(3 * CHANGES.len()).enumerate() {
            let (spec, _) = house.task(&format!("root{round}"));
            let id = substrate.ensure(spec).await.unwrap().id;
            let look =
                "stat -c '%a %u %n' / /srv /srv/* /bin/* /etc/*; stat -c %Y /srv/app; ls -a / /srv/app; cat /etc/passwd";
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_root_is_used_again_only_over_the_very_layers_that_it_was_laid_over() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let bundle = house.config.images.as_ref().unwrap().bundle(&house.image).unwrap();
        let layer = bundle.layers.last().unwrap();
        let ask = async |name: &str| {
            let (spec, _) = house.task(name);
            let id = substrate.ensure(spec).await.unwrap().id;
            let mut main = container(&house, "main", "cat /srv/news 2>/dev/null; true");
            main.root_size_bytes = Some(64 << 20);
            main.cwd = "/".to_owned();
            substrate.start(&id, main).await.unwrap();
            assert_eq!(substrate.wait(&id, "main").await.unwrap().code, Some(0));
            let said = text(substrate, &id, "main").await;
            substrate.remove(&id, GRACE).await.unwrap();
            Clock::system().sleep(SETTLED).await;
            said
        };
        for round in 0..6 {
            assert_eq!(ask(&format!("before{round}")).await, "");
        }
        // the same name, and others' files
        let other = layer.with_extension("other");
        let copy = std::process::Command::new("cp").arg("-a").args([layer, &other]).status();
        assert!(copy.unwrap().success());
        fs::write(other.join("srv/news"), "another").unwrap();
        fs::remove_dir_all(layer).unwrap();
        fs::rename(&other, layer).unwrap();
        for round in 0..6 {
            assert_eq!(ask(&format!("after{round}")).await, "another");
        }
    });
    house.until_nothing_is_left().await;
}

/// What of its control group a container can see that counts up.
const COUNTS: &str = "cd /sys/fs/cgroup; \
    for f in memory/memory.stat memory/memory.failcnt memory/memory.max_usage_in_bytes \
    memory/memory.kmem.max_usage_in_bytes memory/memory.memsw.max_usage_in_bytes \
    cpu/cpu.stat pids/pids.peak pids/pids.events \
    memory.stat memory.events memory.peak cpu.stat pids.peak pids.events io.stat; do \
    if [ -e $f ]; then sed \"s,^,$f ,\" $f; fi; done";

/// Those of a figure's name.
fn counts(said: &str) -> Vec<(String, u64)> {
    let lines = said.lines().filter_map(|line| line.rsplit_once(' '));
    let counted = lines.filter(|(name, _)| !name.contains("memory.stat ") || name.contains(" pg"));
    counted.filter_map(|(name, count)| Some((name.to_owned(), count.parse().ok()?))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_group_that_is_used_again_tells_nothing_of_the_one_before() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let ask = async |name: &str, script: &str| {
            let (spec, _) = house.task(name);
            let id = substrate.ensure(spec).await.unwrap().id;
            let script = format!("{script}; {COUNTS}");
            substrate.start(&id, container(&house, "main", &script)).await.unwrap();
            assert_eq!(substrate.wait(&id, "main").await.unwrap().code, Some(0));
            let said = text(substrate, &id, "main").await;
            substrate.remove(&id, GRACE).await.unwrap();
            Clock::system().sleep(SETTLED).await;
            counts(&said)
        };
        let busy = "x=$(head -c 8000000 /dev/zero | tr '\\0' x); \
            n=0; while [ $n -lt 30 ]; do n=$((n+1)); sleep 0.2 & done; wait";
        let first = ask("first", "true").await;
        for round in 0..8 {
            let loud = ask(&format!("loud{round}"), busy).await;
            let quiet = ask(&format!("quiet{round}"), "true").await;
            let all = first.iter().zip(&loud).zip(&quiet);
            // ones and twos come and go by themselves
            let told: Vec<_> = all
                .filter(|((first, loud), _)| loud.1 > first.1.saturating_mul(3).saturating_add(8))
                .collect();
            assert!(told.iter().any(|((first, _), _)| first.0.contains("pgfault")), "{loud:?}");
            for ((first, loud), now) in told {
                let middle = first.1.midpoint(loud.1);
                assert!(now.1 < middle, "{round}: {first:?}, then {loud:?}, and {now:?}");
            }
        }
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_that_could_not_all_be_set_are_nobody_elses() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null \
            || cat /sys/fs/cgroup/memory.max";
        for round in 0..6 {
            let (spec, _) = house.task(&format!("half{round}"));
            let id = substrate.ensure(spec).await.unwrap().id;
            let mut half = container(&house, "main", "true");
            half.limits = Limits {
                memory: Some(haar_types::MemoryMib(64)),
                cpu: Some(haar_types::CpuUnits(1 << 48)), // more than there can be
                ..Limits::default()
            };
            let refused = substrate.start(&id, half).await;
            assert!(refused.is_err(), "{refused:?}");
            substrate.remove(&id, GRACE).await.unwrap();
            Clock::system().sleep(SETTLED).await;
            let (spec, _) = house.task(&format!("whole{round}"));
            let id = substrate.ensure(spec).await.unwrap().id;
            substrate.start(&id, container(&house, "main", limit)).await.unwrap();
            substrate.wait(&id, "main").await.unwrap();
            let said = text(substrate, &id, "main").await;
            let most = said.trim().parse::<u64>().unwrap_or(u64::MAX);
            assert!(most > 1 << 40, "{round}: {said}");
            substrate.remove(&id, GRACE).await.unwrap();
        }
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_that_are_set_while_a_sandbox_goes_are_nobody_elses() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let less = Limits { pids: Some(77), ..Limits::default() };
        for round in 0..40 {
            let (spec, _) = house.task(&format!("goes{round}"));
            let id = substrate.ensure(spec).await.unwrap().id;
            substrate.start(&id, container(&house, "main", "true")).await.unwrap();
            substrate.wait(&id, "main").await.unwrap();
            let resize = async {
                for _ in 0..round % 8 {
                    tokio::task::yield_now().await;
                }
                substrate.resize(&id, &less).await
            };
            let (removed, resized) = tokio::join!(substrate.remove(&id, GRACE), resize);
            removed.unwrap();
            assert!(
                matches!(resized, Ok(()) | Err(SubstrateError::Gone(_))),
                "{round}: {resized:?}"
            );
            let (spec, _) = house.task(&format!("next{round}"));
            let id = substrate.ensure(spec).await.unwrap().id;
            let script = "while [ ! -e /tmp/go ]; do sleep 0.01; done";
            let started = substrate.start(&id, container(&house, "main", script)).await.unwrap();
            let ContainerState::Running { pid } = started.containers["main"].state else {
                panic!()
            };
            assert!(!limits_around(pid).contains(&"77".to_owned()), "{round}");
            fs::write(format!("/proc/{pid}/root/tmp/go"), "").unwrap();
            substrate.wait(&id, "main").await.unwrap();
            substrate.remove(&id, GRACE).await.unwrap();
        }
    });
    house.until_nothing_is_left().await;
}

/// What the groups that a process is in say of their processes.
fn limits_around(pid: u32) -> Vec<String> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let own = groups.lines().find_map(|line| line.split_once(":pids:"));
    let own = own.map(|(_, path)| format!("/sys/fs/cgroup/pids{path}"));
    let all = own.iter().flat_map(|own| Path::new(own).ancestors().take(2));
    all.map(|dir| fs::read_to_string(dir.join("pids.max")).unwrap().trim().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_starts_in_what_stands_still_and_what_stands_still_can_be_removed() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, _) = house.task("still");
        let id = substrate.ensure(spec).await.unwrap().id;
        substrate.start(&id, container(&house, "main", "exec sleep 1000")).await.unwrap();
        substrate.freeze(&id, true).await.unwrap();
        let refused = substrate.start(&id, container(&house, "late", "true")).await;
        assert!(matches!(refused, Err(SubstrateError::Refused { .. })), "{refused:?}");
        let refused = substrate.exec(&id, "main", ExecSpec::new(&["true"])).await.map(drop);
        assert!(matches!(refused, Err(SubstrateError::Refused { .. })), "{refused:?}");
        substrate.freeze(&id, false).await.unwrap();
        substrate.start(&id, container(&house, "late", "true")).await.unwrap();
        assert_eq!(substrate.wait(&id, "late").await.unwrap().code, Some(0));
        substrate.freeze(&id, true).await.unwrap();
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sandbox_may_be_paused_and_removed_while_a_container_starts_in_it() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        for round in 0..30 {
            let (spec, _) = house.task(&format!("pause{round}"));
            let id = substrate.ensure(spec).await.unwrap().id;
            let pause = async {
                for _ in 0..round % 5 {
                    tokio::task::yield_now().await;
                }
                substrate.freeze(&id, true).await
            };
            let start = substrate.start(&id, container(&house, "main", "exec sleep 1000"));
            let end = async {
                for _ in 0..round {
                    tokio::task::yield_now().await;
                }
                substrate.remove(&id, Duration::ZERO).await
            };
            let (_, started, removed) = tokio::join!(pause, start, end);
            removed.unwrap();
            assert!(
                matches!(
                    started,
                    Ok(_) | Err(SubstrateError::Gone(_) | SubstrateError::Refused { .. })
                ),
                "{round}: {started:?}"
            );
            assert!(substrate.list().await.unwrap().is_empty());
        }
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_container_leaves_in_memory_or_in_its_network_is_found_by_the_next() {
    let Some(house) = House::new().await else { return };
    let script = "ls -A /dev/shm /dev/mqueue /tmp /run 2>/dev/null | grep -v :; \
        netstat -an | grep -e tcp -e udp -e unix; cat /proc/sys/net/ipv4/tcp_no_metrics_save; \
        echo x >/dev/shm/left; echo x >/tmp/left; echo x >/dev/mqueue/left 2>/dev/null; \
        mknod /dev/left c 1 3 2>&1; busybox httpd -p 4000 -h /tmp; \
        (sleep 0.05; echo late >/dev/shm/late) & \
        wget -q -O /dev/null http://127.0.0.1:4000/left; ls /dev | sort | tr '\\n' ' '";
    house.crash(async |substrate| {
        let mut seen = BTreeSet::new();
        for round in 0..12 {
            let (spec, _) = house.task(&format!("left{round}"));
            let id = substrate.ensure(spec).await.unwrap().id;
            let mut main = container(&house, "main", script);
            main.root_size_bytes = Some(64 << 20);
            substrate.start(&id, main).await.unwrap();
            substrate.wait(&id, "main").await.unwrap();
            seen.insert(text(substrate, &id, "main").await);
            substrate.remove(&id, GRACE).await.unwrap();
        }
        assert_eq!(seen.len(), 1, "{seen:#?}");
        let said = seen.first().unwrap();
        assert!(
            said.trim_start().starts_with("1\n"),
            "no connection is remembered, nothing else found: {said}"
        );
    });
    house.until_nothing_is_left().await;
}
