//! The server or its helper killed under running containers.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)] // as tests do

mod house;

use std::time::Duration;

use futures_util::StreamExt;
use haar_substrate::{ContainerState, Event, Lifetime, SandboxId, Substrate};
use house::{House, container};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_no_line_and_reads_none_twice() {
    let Some(house) = House::new().await else { return };
    let (first, id) = house.crash(async |substrate| {
        let (spec, _) = house.task("own");
        let id = substrate.ensure(spec).await.unwrap().id;
        let script = "n=0; while [ $n -lt 2000 ]; do n=$((n+1)); echo line $n; \
            [ $n -eq 1000 ] && while [ ! -e /tmp/go ]; do sleep 0.01; done; done; exit 4";
        substrate.start(&id, container(&house, "main", script)).await.unwrap();
        let mut logs = substrate.logs(&id, "main", 0).await.unwrap();
        let (mut said, mut next) = (String::new(), 0);
        while said.lines().count() < 700 {
            let chunk = logs.next().await.unwrap();
            said.push_str(&String::from_utf8_lossy(&chunk.bytes));
            next = chunk.next;
        }
        ((said, next), id)
    });
    let (before, next) = first;
    house.crash(async |substrate| {
        let mut said = before.clone();
        let listed = substrate.list().await.unwrap();
        assert_eq!(listed.len(), 1);
        assert!(listed[0].network.is_some());
        let ContainerState::Running { pid } = listed[0].containers["main"].state else {
            panic!("{listed:?}");
        };
        let again = substrate.start(&id, container(&house, "main", "echo twice")).await.unwrap();
        assert_eq!(again.containers["main"].state, ContainerState::Running { pid });
        std::fs::write(format!("/proc/{pid}/root/tmp/go"), "").unwrap();
        let mut logs = substrate.logs(&id, "main", next).await.unwrap();
        while let Some(chunk) = logs.next().await {
            assert_eq!(chunk.lost, 0);
            said.push_str(&String::from_utf8_lossy(&chunk.bytes));
        }
        assert_eq!(substrate.wait(&id, "main").await.unwrap().code, Some(4));
        let lines: Vec<_> = said.lines().collect();
        let expected: Vec<_> = (1..=2000).map(|number| format!("line {number}")).collect();
        assert_eq!(lines, expected);
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_helper_loses_its_sandboxes_and_says_so() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let mut events = substrate.watch().await.unwrap();
        let (spec, _) = house.task("lost");
        assert_eq!(spec.lifetime, Lifetime::Own);
        let id = substrate.ensure(spec.clone()).await.unwrap().id;
        let started =
            substrate.start(&id, container(&house, "main", "exec sleep 1000")).await.unwrap();
        let ContainerState::Running { pid } = started.containers["main"].state else { panic!() };
        house::kill_parent_of(pid);
        assert_eq!(events.next().await, Some(Event::Lost(id.clone())));
        assert!(substrate.list().await.unwrap().is_empty());
        // its address, bridge and control groups are free again
        substrate.ensure(spec).await.unwrap();
        substrate.start(&id, container(&house, "main", "true")).await.unwrap();
        assert_eq!(substrate.wait(&id, "main").await.unwrap().code, Some(0));
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

/// The directory of a process's control group for memory.
fn memory_group(pid: u32) -> std::path::PathBuf {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let of = |controller: &str| {
        groups.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            controllers.split(',').any(|one| one == controller).then(|| path.to_owned())
        })
    };
    match of("memory") {
        Some(path) => format!("/sys/fs/cgroup/memory{path}").into(),
        None => format!("/sys/fs/cgroup{}", of("").unwrap()).into(),
    }
}

/// Starts a sandbox that ends with its server; answers with its process.
async fn start_mortal(house: &House, substrate: &impl Substrate, id: &str) -> u32 {
    let (mut spec, _) = house.task(id);
    spec.lifetime = Lifetime::Server;
    let id = substrate.ensure(spec).await.unwrap().id;
    let started = substrate.start(&id, container(house, "main", "exec sleep 1000")).await.unwrap();
    let ContainerState::Running { pid } = started.containers["main"].state else { panic!() };
    pid
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_server_does_not_wait_until_all_of_the_one_before_is_taken_down() {
    let Some(house) = House::new().await else { return };
    let (helper, inner) = house.crash(async |substrate| {
        let pid = start_mortal(&house, substrate, "before").await;
        // so that its group cannot be removed
        let inner = memory_group(pid).join("inner");
        std::fs::create_dir(&inner).unwrap();
        (house::parent_of(pid), inner)
    });
    house.crash(async |substrate| {
        assert!(substrate.list().await.unwrap().is_empty());
        let pid = start_mortal(&house, substrate, "after").await;
        assert_eq!(house::parent_of(pid), helper);
        std::fs::remove_dir(&inner).unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_helper_does_not_wait_until_all_of_the_one_before_is_taken_down() {
    let Some(house) = House::new().await else { return };
    let inner = house.crash(async |substrate| {
        let mut events = substrate.watch().await.unwrap();
        let pid = start_mortal(&house, substrate, "before").await;
        let inner = memory_group(pid).join("inner");
        std::fs::create_dir(&inner).unwrap();
        house::kill_parent_of(pid);
        assert_eq!(events.next().await, Some(Event::Lost(SandboxId("before".into()))));
        inner
    });
    let begun = haar_clock::Clock::system().moment();
    house.crash(async |substrate| {
        let took = haar_clock::Clock::system().moment().since(begun);
        assert!(took < Duration::from_secs(3), "{took:?}");
        start_mortal(&house, substrate, "after").await;
        // it goes on trying
        std::fs::remove_dir(&inner).unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_helper_that_stands_still_is_named_to_the_next_server() {
    let Some(house) = House::new().await else { return };
    let helper = house.crash(async |substrate| {
        let (spec, _) = house.task("kept");
        let id = substrate.ensure(spec).await.unwrap().id;
        let started = substrate.start(&id, container(&house, "main", "exec sleep 1000")).await;
        let ContainerState::Running { pid } = started.unwrap().containers["main"].state else {
            panic!("it does not run");
        };
        house::parent_of(pid)
    });
    let signal = |signal| rustix::process::kill_process(helper, signal).unwrap();
    signal(rustix::process::Signal::STOP);
    let refused = haar_substrate_oci::OciSubstrate::start(house.config.clone()).await;
    signal(rustix::process::Signal::CONT);
    let why = refused.err().expect("nobody greets").to_string();
    assert!(why.contains(&format!("(process {})", helper.as_raw_nonzero())), "{why}");
    house.crash(async |substrate| {
        assert_eq!(substrate.list().await.unwrap().len(), 1);
        substrate.remove(&haar_substrate::SandboxId("kept".into()), Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_before_the_helper_was_killed_can_be_read() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, _) = house.task("said");
        let id = substrate.ensure(spec).await.unwrap().id;
        let script = "n=0; while [ $n -lt 200 ]; do n=$((n+1)); echo line $n; done; \
            exec sleep 1000";
        let started = substrate.start(&id, container(&house, "main", script)).await.unwrap();
        let ContainerState::Running { pid } = started.containers["main"].state else { panic!() };
        let mut logs = substrate.logs(&id, "main", 0).await.unwrap();
        let mut said = String::new();
        while said.lines().count() < 200 {
            said.push_str(&String::from_utf8_lossy(&logs.next().await.unwrap().bytes));
        }
        let mut events = substrate.watch().await.unwrap();
        house::kill_parent_of(pid);
        assert_eq!(events.next().await, Some(Event::Lost(id.clone())));
        assert!(logs.next().await.is_none());
        // another helper changes nothing of that
        assert!(substrate.list().await.unwrap().is_empty());
        assert_eq!(house::text(substrate, &id, "main").await, said);
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_helper_has_left_goes_with_the_next_of_any_server() {
    let (Some(dead), Some(house)) = (House::new().await, House::new().await) else { return };
    let bridge =
        format!("/sys/class/net/hb{}", haar_substrate_oci::interface_tag(&dead.config.instance));
    dead.crash(async |substrate| {
        let (spec, _) = dead.task("left");
        let id = substrate.ensure(spec).await.unwrap().id;
        let started =
            substrate.start(&id, container(&dead, "main", "exec sleep 1000")).await.unwrap();
        let ContainerState::Running { pid } = started.containers["main"].state else { panic!() };
        let mut events = substrate.watch().await.unwrap();
        assert!(std::path::Path::new(&bridge).exists());
        house::kill_parent_of(pid);
        assert_eq!(events.next().await, Some(Event::Lost(id)));
        let left = haar_substrate_oci::leftovers();
        assert!(left.contains(&dead.config.instance), "{left:?}");
    });
    house.crash(async |substrate| {
        assert!(substrate.list().await.unwrap().is_empty());
    });
    house.until_nothing_is_left().await; // it ends when it has swept
    assert!(!std::path::Path::new(&bridge).exists());
    let group = format!("haar-{}", dead.config.instance);
    let groups = std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten();
    let left: Vec<_> = groups.map(|one| one.path().join(&group)).filter(|at| at.exists()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!haar_substrate_oci::leftovers().contains(&dead.config.instance));
    assert!(!haar_substrate_oci::leftovers().contains(&house.config.instance));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_helper_whose_directory_is_deleted_ends_its_tasks_and_goes() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, _) = house.task("forgotten");
        let id = substrate.ensure(spec).await.unwrap().id;
        substrate.start(&id, container(&house, "main", "exec sleep 1000")).await.unwrap();
    });
    std::fs::remove_dir_all(&house.config.state_dir).unwrap();
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_go_on_without_its_helpers_directory_but_nothing_outlives_it() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, _) = house.task("forgotten");
        let id = substrate.ensure(spec).await.unwrap().id;
        substrate.start(&id, container(&house, "main", "exec sleep 1000")).await.unwrap();
        std::fs::remove_dir_all(&house.config.state_dir).unwrap();
        let listed = substrate.list().await.unwrap();
        assert!(matches!(listed[0].containers["main"].state, ContainerState::Running { .. }));
    });
    house.until_nothing_is_left().await;
}

/// Has this process run out of descriptors, until what it answers is dropped.
fn out_of_descriptors() -> (Vec<std::fs::File>, Limit) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(400), ..before }).unwrap();
    let limit = Limit(before);
    let mut all = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        all.push(file);
    }
    (all, limit)
}

struct Limit(rustix::process::Rlimit);

impl Drop for Limit {
    fn drop(&mut self) {
        rustix::process::setrlimit(rustix::process::Resource::Nofile, self.0).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_out_of_descriptors_loses_one_answer_and_no_sandbox() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, _) = house.task("before");
        let before = substrate.ensure(spec).await.unwrap().id;
        let main = container(&house, "main", "exec sleep 1000");
        substrate.start(&before, main).await.unwrap();
        let mut events = substrate.watch().await.unwrap();

        let (mut spec, _) = house.task("during");
        let metadata = std::net::SocketAddrV4::new([169, 254, 170, 2].into(), 80);
        spec.listen = vec![metadata];
        let held = out_of_descriptors();
        let refused = substrate.ensure(spec.clone()).await;
        assert!(refused.as_ref().is_err_and(|error| error.is_transient()), "{refused:?}");
        let check = haar_substrate::ExecSpec::new(&["true"]);
        let refused = substrate.exec(&before, "main", check.clone()).await;
        assert!(refused.is_err_and(|error| error.is_transient()));
        drop(held);

        let check = substrate.exec(&before, "main", check).await.unwrap();
        assert_eq!(check.wait().await.unwrap().code, Some(0));
        let during = substrate.ensure(spec).await.unwrap().id;
        substrate.listener(&during, metadata).await.unwrap();
        for id in [&before, &during] {
            substrate.remove(id, Duration::ZERO).await.unwrap();
        }
        let heard = futures_util::FutureExt::now_or_never(events.next()).flatten();
        assert!(!matches!(heard, Some(Event::Lost(_))), "{heard:?}");
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_outlives_an_ephemeral_server_that_is_killed() {
    let Some(mut house) = House::new().await else { return };
    let dir = house.config.state_dir.clone();
    house.config.ephemeral = Some(dir.clone());
    house.crash(async |substrate| {
        let (spec, _) = house.task("own");
        assert_eq!(spec.lifetime, Lifetime::Own);
        let id = substrate.ensure(spec).await.unwrap().id;
        substrate.start(&id, container(&house, "main", "exec sleep 1000")).await.unwrap();
    });
    house.until_nothing_is_left().await;
    let clock = haar_clock::Clock::system();
    for _ in 0..500 {
        if !dir.exists() {
            return;
        }
        clock.sleep(Duration::from_millis(10)).await;
    }
    panic!("{} is still there", dir.display());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_being_made_when_the_server_went_does_not_outlive_it() {
    for pause in [0, 1, 3, 10, 30] {
        let Some(house) = House::new().await else { return };
        house.crash(async |substrate| {
            let made = (0..8).map(async |number| {
                let (mut spec, _) = house.task(&format!("made-{number}"));
                spec.lifetime = Lifetime::Server;
                spec.containers = vec![container(&house, "main", "exec sleep 1000")];
                if number % 4 == 3 {
                    // its image runs a shell, which this user has none of
                    spec.containers[0].user = haar_substrate::RunAs::Named("nobody-known".into());
                }
                let _ = substrate.ensure(spec).await; // the server goes before most are there
            });
            let made = futures_util::future::join_all(made);
            let clock = haar_clock::Clock::system();
            let gone = clock.sleep(Duration::from_millis(pause));
            futures_util::future::select(Box::pin(made), Box::pin(gone)).await;
        });
        house.until_nothing_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_helper_goes_with_the_last_that_its_server_asked_it_to_remove() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, _) = house.task("slow");
        let id = substrate.ensure(spec).await.unwrap().id;
        let main = container(&house, "main", "trap '' TERM; while :; do sleep 1; done");
        substrate.start(&id, main).await.unwrap();
        let removal = substrate.remove(&id, Duration::from_secs(1));
        // the helper hears of it, and this server does not live to see the end
        assert!(tokio::time::timeout(Duration::from_millis(300), removal).await.is_err());
    });
    house.until_nothing_is_left().await;
}
