//! Containers with users of their own, and with devices of the host.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, clippy::print_stdout)] // as tests do

mod house;

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use haar_substrate::{
    Capability, ContainerSpec, ContainerState, Device, Mount, RunAs, SandboxId, Substrate,
    SubstrateError, User, Volume, VolumeSource,
};
use haar_substrate_oci::OciSubstrate;
use house::{House, ask, container, fetch, text};

fn owned(house: &House, name: &str, script: &str) -> ContainerSpec {
    ContainerSpec { own_users: true, ..container(house, name, script) }
}

/// None where this host gives containers no users.
async fn house() -> Option<House> {
    let found = haar_substrate_oci::capabilities("owners").findings;
    if !found.iter().any(|finding| finding.name == "user namespaces" && finding.present) {
        println!("skipped: no user namespaces as these need them");
        return None;
    }
    House::new().await
}

/// Runs a container to its end; what it said.
async fn said(substrate: &OciSubstrate, id: &SandboxId, spec: ContainerSpec) -> String {
    let name = spec.name.clone();
    substrate.start(id, spec).await.unwrap();
    substrate.wait(id, &name).await.unwrap();
    text(substrate, id, &name).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn root_is_nobody_on_the_host_and_root_inside() {
    let Some(house) = house().await else { return };
    house.crash(async |substrate| {
        let (mut spec, address) = house.task("owned");
        let source = VolumeSource::Empty { size_bytes: None };
        spec.volumes = vec![Volume { name: "data".to_owned(), source }];
        let id = substrate.ensure(spec).await.unwrap().id;
        let script = "id -u; stat -c %u /bin/busybox /etc/hosts /dev /data /srv/app; \
            echo x >/data/x && chown 7:8 /data/x && stat -c %u:%g /data/x; \
            echo y >/bin/own && stat -c %u /bin/own; echo said >/dev/stderr; \
            head -c 1 /dev/zero | wc -c; cat /proc/self/uid_map | tr -s ' '; \
            mount -t tmpfs t /mnt 2>/dev/null && echo mounted; \
            echo ready >/tmp/index.html; exec httpd -f -p 80 -h /tmp";
        let mut main = owned(&house, "main", script);
        main.mounts.push(Mount::Volume {
            name: "data".to_owned(),
            target: "/data".to_owned(),
            read_only: false,
        });
        let started = substrate.start(&id, main).await.unwrap();
        let ContainerState::Running { pid } = started.containers["main"].state else { panic!() };
        fetch(address, 80, "/index.html").await;
        let outside = std::fs::metadata(format!("/proc/{pid}")).unwrap().uid();
        assert!(outside >= 0x7000_0000, "{outside}");

        let (code, inside) = ask(substrate, &id, "id -u; echo z >/bin/other && echo wrote").await;
        assert_eq!((code, inside.as_str()), (Some(0), "0\nwrote\n"));
        let user = RunAs::Ids(User { uid: 33, gid: 33 });
        let second = ContainerSpec { user, ..owned(&house, "second", "id -u; cat /bin/own") };
        let second = said(substrate, &id, second).await;
        assert!(second.starts_with("33\n"), "{second}");

        substrate.stop(&id, "main", Duration::ZERO).await.unwrap();
        let said = text(substrate, &id, "main").await;
        let map = format!(" 0 {outside} 65536\n");
        assert!(said.contains(&map), "{said}");
        assert!(said.contains("said\n"), "{said}");
        let said = said.replace(&map, "").replace("said\n", "");
        assert_eq!(said, "0\n0\n0\n0\n0\n0\n7:8\n0\n1\n");
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_made_for_mounts_and_the_working_directory_is_its_roots() {
    let Some(house) = house().await else { return };
    house.crash(async |substrate| {
        let (mut spec, _) = house.task("nested");
        let volume = |name: &str| {
            let source = VolumeSource::Empty { size_bytes: None };
            Volume { name: name.to_owned(), source }
        };
        spec.volumes = vec![volume("outer"), volume("inner")];
        let id = substrate.ensure(spec).await.unwrap().id;
        let script = "stat -c %u /var/lib /var/lib/app /var/lib/app/data /var/lib/app/data/cache; \
            pwd; stat -c %u .; echo x >here && echo y >/var/lib/app/data/cache/z && echo wrote";
        let mut main = owned(&house, "main", script);
        main.cwd = "/var/lib/app/data/work".to_owned();
        for (name, target) in [("inner", "/var/lib/app/data/cache"), ("outer", "/var/lib/app/data")]
        {
            let (name, target) = (name.to_owned(), target.to_owned());
            main.mounts.push(Mount::Volume { name, target, read_only: false });
        }
        let said = said(substrate, &id, main).await;
        assert_eq!(said, "0\n0\n0\n0\n/var/lib/app/data/work\n0\nwrote\n");
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_capabilities_reach_nothing_of_the_host() {
    let Some(house) = house().await else { return };
    let before = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    house.crash(async |substrate| {
        let (spec, _) = house.task("mighty");
        let id = substrate.ensure(spec).await.unwrap().id;
        let script = "(echo x >/proc/sys/kernel/core_pattern) 2>/dev/null && echo core_pattern; \
            mount -o remount,rw /proc/sys 2>/dev/null && echo remounted; \
            (echo b >/proc/sysrq-trigger) 2>/dev/null && echo sysrq; \
            mknod /tmp/disk b 254 0 2>/dev/null && echo node; \
            ip link set eth0 down 2>/dev/null && echo link; \
            hostname other 2>/dev/null && echo hostname; echo end";
        let mut main = owned(&house, "main", script);
        main.capabilities_add = vec![Capability("ALL".to_owned())];
        assert_eq!(said(substrate, &id, main).await, "end\n");
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    assert_eq!(std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(), before);
    house.until_nothing_is_left().await;
}

fn loop_control(write: bool) -> Device {
    Device {
        host: PathBuf::from("/dev/loop-control"),
        target: "/dev/given".to_owned(),
        read: true,
        write,
        make: false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_may_be_used_as_was_asked_for_and_no_other() {
    let Some(house) = house().await else { return };
    if !std::path::Path::new("/dev/loop-control").exists() {
        println!("skipped: this host has no such device");
        return;
    }
    house.crash(async |substrate| {
        let (spec, _) = house.task("device");
        let id = substrate.ensure(spec).await.unwrap().id;
        let script = "test -c /dev/given && echo there; (: </dev/given) 2>/dev/null && echo read; \
            test -c /dev/given && (: >>/dev/given) 2>/dev/null && echo written; \
            (: </dev/zero) && echo usual; mknod /tmp/it c 10 237 && echo made; echo end";
        for (name, write) in [("readable", false), ("writable", true)] {
            let mut spec = container(&house, name, script);
            spec.devices = vec![loop_control(write)];
            let expected = match write {
                true => "there\nread\nwritten\nusual\nmade\nend\n",
                false => "there\nread\nusual\nmade\nend\n",
            };
            assert_eq!(said(substrate, &id, spec).await, expected);
        }
        let script = format!("{script}; (: </tmp/it) 2>/dev/null && echo used; echo end");
        let without = container(&house, "without", &script);
        assert_eq!(said(substrate, &id, without).await, "usual\nmade\nend\nend\n");

        let mut wrong = container(&house, "wrong", "true");
        wrong.devices = vec![Device { host: "/etc/passwd".into(), ..loop_control(true) }];
        let refused = substrate.start(&id, wrong).await;
        assert!(matches!(refused, Err(SubstrateError::Refused { .. })), "{refused:?}");
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_may_open_what_they_write_to() {
    let Some(house) = house().await else { return };
    house.crash(async |substrate| {
        let (spec, _) = house.task("stdout");
        let id = substrate.ensure(spec).await.unwrap().id;
        let mut main = container(&house, "main", "echo one >/dev/stdout; echo two >/dev/stderr");
        main.user = RunAs::Ids(User { uid: 33, gid: 33 });
        assert_eq!(said(substrate, &id, main).await, "one\ntwo\n");
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}
