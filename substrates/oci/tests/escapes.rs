//! Known ways out of a container, tried: each must lead nowhere.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)] // as tests do

mod house;

use std::path::Path;
use std::time::Duration;

use haar_images::OciLayout;
use haar_images::build::{self, Compression, Layer};
use haar_substrate::{
    Capability, ContainerSpec, ExecSpec, ImageConfig, ImageId, ImageRef, ImageStore, Mount, Root,
    Substrate, SubstrateError, Volume, VolumeSource,
};
use haar_substrate_oci::OciSubstrate;
use house::{House, container, text};

/// Runs a script as root in a container of its own; what it says.
async fn said(substrate: &OciSubstrate, house: &House, name: &str, script: &str) -> String {
    let (spec, _) = house.task(name);
    let id = substrate.ensure(spec).await.unwrap().id;
    substrate.start(&id, container(house, "main", script)).await.unwrap();
    substrate.wait(&id, "main").await.unwrap();
    let said = text(substrate, &id, "main").await;
    substrate.remove(&id, Duration::ZERO).await.unwrap();
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn root_inside_is_nobody_outside() {
    let Some(house) = House::new().await else { return };
    let before = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    house.crash(async |substrate| {
        let attempts = "\
            mount -t tmpfs t /tmp 2>/dev/null && echo mount; \
            mount --bind / /mnt 2>/dev/null && echo bind; \
            mknod /tmp/disk b 254 0 2>/dev/null; head -c 1 /tmp/disk 2>/dev/null && echo disk; \
            mknod /dev/mem c 1 1 2>/dev/null; head -c 1 /dev/mem >/dev/null 2>&1 && echo mem; \
            (echo x >/proc/sys/kernel/core_pattern) 2>/dev/null && echo core_pattern; \
            (echo b >/proc/sysrq-trigger) 2>/dev/null && echo sysrq; \
            (echo 1 >/proc/sys/vm/drop_caches) 2>/dev/null && echo vm; \
            (echo x >/sys/kernel/uevent_helper) 2>/dev/null && echo uevent; \
            touch /sys/fs/x 2>/dev/null && echo sys; \
            head -c 1 /proc/kcore 2>/dev/null | grep -q . && echo kcore; \
            ls /proc/1/root/work /work /home 2>/dev/null; \
            for p in /proc/[0-9]*; do readlink $p/exe; done | grep -v -e '^/bin/' ; \
            ls /dev | grep -e '^[hsv]d' -e loop -e kmsg; true";
        assert_eq!(said(substrate, &house, "attempts", attempts).await, "");
        let more =
            "grep -e Seccomp: -e CapEff -e CapBnd -e CapAmb /proc/self/status | tr -d '\\t\\n'";
        let docker = "00000000a80425fb";
        let none = "0000000000000000";
        let expected = format!("CapEff:{docker}CapBnd:{docker}CapAmb:{none}Seccomp:2");
        assert_eq!(said(substrate, &house, "status", more).await, expected);
    });
    assert_eq!(std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(), before);
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_descriptor_and_no_program_of_the_host_is_within_reach() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, _) = house.task("leaks");
        let id = substrate.ensure(spec).await.unwrap().id;
        let script = "exec sleep 1000";
        substrate.start(&id, container(&house, "main", script)).await.unwrap();
        let ask = async |script: &str| {
            let check = ExecSpec::new(&["sh", "-c", script]);
            let check = substrate.exec(&id, "main", check).await.unwrap();
            use futures_util::StreamExt as _;
            let chunks: Vec<_> = check.output().unwrap().map(|chunk| chunk.bytes).collect().await;
            check.wait().await.unwrap();
            String::from_utf8_lossy(&chunks.concat()).into_owned()
        };
        // what is run from outside is the container's own program, not the host's
        assert_eq!(ask("readlink -f /proc/self/exe").await, "/bin/sh\n");
        assert_eq!(ask("(echo x >/proc/self/exe) 2>/dev/null; echo $?").await, "1\n");
        assert_eq!(ask("ls /proc/self/fd | tr '\\n' ' '").await, "0 1 2 3 ");
        // its own three, and nothing of the helper's
        let script = "for f in /proc/1/fd/*; do readlink $f; done | sed 's/[0-9]*//g'";
        assert_eq!(ask(script).await, "/dev/null\npipe:[]\npipe:[]\n");
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_look_at_all_processes_sees_none_of_the_helpers() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, _) = house.task("watched");
        let id = substrate.ensure(spec).await.unwrap().id;
        // notes who holds more than it may, or has a descriptor of what it does not know; how it
        // went is told over a socket
        let script = "\
            own=$(grep CapPrm /proc/self/status); \
            while :; do for p in /proc/[0-9]*; do \
            if [ $p = /proc/1 ] || [ $p = /proc/$$ ]; then continue; fi; \
            caps=$(grep CapPrm $p/status 2>/dev/null); \
            if [ \"$caps\" ] && [ \"$caps\" != \"$own\" ]; then echo $caps; fi; \
            for f in $p/fd/*; do case $(readlink $f) in \
            pipe:*|socket:*|/dev/null|/proc/*|'') ;; *) readlink $f;; esac; done; \
            done; done";
        let mut main = container(&house, "main", script);
        main.capabilities_add = vec![Capability("SYS_PTRACE".into())];
        substrate.start(&id, main).await.unwrap();
        for _ in 0..40 {
            let check = substrate.exec(&id, "main", ExecSpec::new(&["true"])).await.unwrap();
            assert_eq!(check.wait().await.unwrap().code, Some(0));
        }
        substrate.stop(&id, "main", Duration::ZERO).await.unwrap();
        assert_eq!(text(substrate, &id, "main").await, "");
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stopped_on_its_way_in_holds_nothing_of_the_host() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, _) = house.task("stopping");
        let id = substrate.ensure(spec).await.unwrap().id;
        // stops whoever comes in, wherever they are, and says what they are made of; a descriptor
        // that leads nowhere is of one who left while it was looked at
        let script = "exec 2>/dev/null; \
            while :; do kill -STOP -1; for p in /proc/[0-9]*; do \
            case $p in /proc/1|/proc/$$) continue;; esac; \
            (exec 9<$p/exe; case $(readlink /proc/self/fd/9) in /bin/*|'') ;; /memfd:exec*) echo entrant; \
            chmod 0 /proc/self/fd/9; \
            grep -v -e memfd:exec -e '\\[.*\\]$' -e ' 00:00 0 *$' -e /bin/ $p/maps; \
            ls -l $p/fd | grep -e ' -> ' | grep -v -e pipe: -e socket: -e /dev/null;; \
            *) readlink /proc/self/fd/9;; esac); \
            grep -e spawnd $p/maps; tr '\\0' ' ' <$p/cmdline | grep spawnd; \
            done; kill -CONT -1; done";
        let mut main = container(&house, "main", script);
        main.capabilities_add = vec![Capability("SYS_PTRACE".into())];
        substrate.start(&id, main).await.unwrap();
        for _ in 0..60 {
            let check = substrate.exec(&id, "main", ExecSpec::new(&["true"])).await.unwrap();
            assert_eq!(check.wait().await.unwrap().code, Some(0));
        }
        substrate.stop(&id, "main", Duration::ZERO).await.unwrap();
        let said = text(substrate, &id, "main").await;
        let found: Vec<_> = said.lines().filter(|line| *line != "entrant").collect();
        assert_ne!(said.lines().count(), found.len(), "none was caught");
        assert!(found.is_empty(), "{found:#?}");
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_process_of_all_containers_cannot_be_changed_by_one() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, _) = house.task("first");
        let id = substrate.ensure(spec).await.unwrap().id;
        let script = "chmod 4755 /proc/1/exe && echo set; chmod 0 /proc/1/exe && echo cleared; \
            touch /proc/1/exe && echo touched; (echo >>/proc/1/exe) && echo written; true";
        let mut main = container(&house, "main", &format!("({script}) 2>/dev/null"));
        main.init = true;
        substrate.start(&id, main).await.unwrap();
        assert_eq!(substrate.wait(&id, "main").await.unwrap().code, Some(0));
        assert_eq!(text(substrate, &id, "main").await, "");
        let mut next = container(&house, "next", "exit 3");
        next.init = true;
        substrate.start(&id, next).await.unwrap();
        assert_eq!(substrate.wait(&id, "next").await.unwrap().code, Some(3));
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

async fn image(house: &House, dir: &Path, layer: Layer) -> ImageId {
    let config = ImageConfig { cmd: vec!["/bin/sh".into()], ..ImageConfig::default() };
    build::layout(dir, &config, &[(layer.finish(), Compression::None)]);
    let store = house.config.images.as_ref().unwrap();
    let name = ImageRef(dir.display().to_string());
    store.pull(&name, "latest", std::sync::Arc::new(OciLayout::new(dir))).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mounts_follow_no_link_out_of_the_image() {
    let Some(house) = House::new().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let (victim, shared) = (dir.path().join("victim"), dir.path().join("shared"));
    std::fs::create_dir_all(&victim).unwrap();
    std::fs::create_dir_all(&shared).unwrap();
    let out = victim.to_str().unwrap();
    let hostile =
        build::busybox().unwrap().symlink("data", out).symlink("etc/hosts", "/../../../..");
    let up = "../../../../../../../../../..";
    let hostile = hostile.symlink("up", &format!("{up}{out}")).symlink("etc/resolv.conf", out);
    let linked = image(&house, &dir.path().join("linked"), hostile).await;
    let fake = build::busybox().unwrap().dir("evil/", 0o777).symlink("proc", "/evil");
    let fake = image(&house, &dir.path().join("fake"), fake).await;
    house.crash(async |substrate| {
        let (mut spec, _) = house.task("links");
        spec.volumes = vec![Volume {
            name: "shared".into(),
            source: VolumeSource::Directory {
                root: shared.clone(),
                inside: "/".into(),
                create: false,
            },
        }];
        let id = substrate.ensure(spec).await.unwrap().id;
        let mut main = ContainerSpec {
            output: haar_substrate::OutputMode::Kept { bytes: 1 << 20 },
            argv: vec![
                "sh".into(),
                "-c".into(),
                "echo x >/data/x; echo y >/up/y; ls /data /up".into(),
            ],
            ..ContainerSpec::new("main", Root::Image(linked.clone()))
        };
        let volume = |target: &str| Mount::Volume {
            name: "shared".into(),
            target: target.into(),
            read_only: false,
        };
        main.mounts = vec![volume("/data"), volume("/up")];
        // where an image's own link stands for /etc/hosts, it is refused or stays inside
        match substrate.start(&id, main).await {
            Ok(_) => drop(substrate.wait(&id, "main").await.unwrap()),
            Err(SubstrateError::Refused { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
        let bad = ContainerSpec {
            argv: vec!["sh".into()],
            ..ContainerSpec::new("fake", Root::Image(fake.clone()))
        };
        let refused = substrate.start(&id, bad).await;
        assert!(matches!(refused, Err(SubstrateError::Refused { .. })), "{refused:?}");
        let mut above = container(&house, "above", "true");
        above.mounts = vec![volume("/../../x")];
        let refused = substrate.start(&id, above).await;
        assert!(matches!(refused, Err(SubstrateError::Refused { .. })), "{refused:?}");
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    assert_eq!(std::fs::read_dir(&victim).unwrap().count(), 0);
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_of_an_image_that_lead_nowhere_yet_are_followed_inside() {
    let Some(house) = House::new().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let linked = build::busybox()
        .unwrap()
        .symlink("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")
        .symlink("etc/hosts", "chain")
        .symlink("etc/chain", "/../../var/./lib/../lib/hosts")
        .symlink("data", &format!("../..{}", out.display()))
        .symlink("round", "/about")
        .symlink("about", "round");
    let linked = image(&house, &dir.path().join("linked"), linked).await;
    house.crash(async |substrate| {
        let (mut spec, address) = house.task("linked");
        spec.hosts = vec![("192.0.2.1".parse().unwrap(), "elsewhere".into())];
        spec.volumes =
            vec![Volume { name: "own".into(), source: VolumeSource::Empty { size_bytes: None } }];
        let id = substrate.ensure(spec).await.unwrap().id;
        let mut main = container(
            &house,
            "main",
            "grep -c nameserver /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf; \
             grep -o elsewhere /var/lib/hosts; readlink /etc/resolv.conf; echo x >/data/x",
        );
        let volume = |target: &str| Mount::Volume {
            name: "own".into(),
            target: target.into(),
            read_only: false,
        };
        main.root = Root::Image(linked.clone());
        main.mounts = vec![volume("/data")];
        (main.entrypoint, main.argv) =
            (Some(vec!["/bin/sh".into(), "-c".into()]), std::mem::take(&mut main.argv));
        substrate.start(&id, main.clone()).await.unwrap();
        substrate.wait(&id, "main").await.unwrap();
        let expected = "/run/systemd/resolve/stub-resolv.conf:1\n/etc/resolv.conf:1\nelsewhere\n\
            ../run/systemd/resolve/stub-resolv.conf\n";
        assert_eq!(text(substrate, &id, "main").await, expected, "{address}");
        assert!(!out.exists());
        let round = ContainerSpec { name: "round".into(), mounts: vec![volume("/round")], ..main };
        let refused = substrate.start(&id, round).await;
        assert!(matches!(refused, Err(SubstrateError::Refused { .. })), "{refused:?}");
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_in_a_volume_lead_nowhere_else() {
    let Some(house) = House::new().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let (victim, root) = (dir.path().join("victim"), dir.path().join("shared"));
    std::fs::create_dir_all(&victim).unwrap();
    std::fs::write(victim.join("secret"), "secret").unwrap();
    let out = victim.to_str().unwrap();
    let volume = |inside: &str| {
        let source =
            VolumeSource::Directory { root: root.clone(), inside: inside.into(), create: true };
        vec![Volume { name: "efs".into(), source }]
    };
    let mounted = |mut one: ContainerSpec| {
        let target = "/efs".to_owned();
        one.mounts = vec![Mount::Volume { name: "efs".into(), target, read_only: false }];
        one
    };
    house.crash(async |substrate| {
        let (mut first, _) = house.task("first");
        first.volumes = volume("/");
        let first = substrate.ensure(first).await.unwrap().id;
        let script = format!("ln -s / /efs/out; ln -s {out} /efs/abs; mkdir -p /efs/later");
        substrate.start(&first, mounted(container(&house, "main", &script))).await.unwrap();
        assert_eq!(substrate.wait(&first, "main").await.unwrap().code, Some(0));

        // a link to the root is one to the volume's
        let (mut second, _) = house.task("second");
        second.volumes = volume(&format!("/out{out}"));
        let second = substrate.ensure(second).await.unwrap().id;
        let script = "ls /efs; echo x >/efs/x";
        substrate.start(&second, mounted(container(&house, "main", script))).await.unwrap();
        substrate.wait(&second, "main").await.unwrap();
        assert_eq!(text(substrate, &second, "main").await, "");
        assert!(root.join(out.trim_start_matches('/')).join("x").exists());

        for inside in ["/../victim", "/later/../../victim"] {
            let (mut bad, _) = house.task("bad");
            bad.volumes = volume(inside);
            let refused = substrate.ensure(bad).await;
            assert!(matches!(refused, Err(SubstrateError::Refused { .. })), "{refused:?}");
        }

        // what becomes a link between the sandbox's making and a container's is none to follow
        let (mut third, _) = house.task("third");
        third.volumes = volume("/later");
        let third = substrate.ensure(third).await.unwrap().id;
        let script = "rmdir /efs/later && ln -s /out /efs/later";
        substrate.start(&first, mounted(container(&house, "swap", script))).await.unwrap();
        assert_eq!(substrate.wait(&first, "swap").await.unwrap().code, Some(0));
        let script = "readlink /efs/abs; ls -d /efs/etc 2>/dev/null";
        substrate.start(&third, mounted(container(&house, "main", script))).await.unwrap();
        substrate.wait(&third, "main").await.unwrap();
        assert_eq!(text(substrate, &third, "main").await, format!("{out}\n"), "the volume's root");
        for id in [&first, &second, &third] {
            substrate.remove(id, Duration::ZERO).await.unwrap();
        }
    });
    let left: Vec<_> = std::fs::read_dir(&victim).unwrap().flatten().collect();
    assert_eq!(left.len(), 1);
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn capabilities_are_what_was_asked_for() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, _) = house.task("caps");
        let id = substrate.ensure(spec).await.unwrap().id;
        let script = "grep -e CapEff -e NoNewPrivs /proc/self/status | tr -d '\\t\\n'";
        let mut none = container(&house, "none", script);
        none.capabilities_drop = vec![Capability("ALL".into())];
        none.no_new_privileges = true;
        substrate.start(&id, none).await.unwrap();
        let mut some =
            container(&house, "some", "ip link set lo mtu 1234; hostname y 2>&1; echo $?");
        some.capabilities_add = vec![Capability("NET_ADMIN".into())];
        some.shm_size_bytes = Some(1 << 20);
        some.sysctls = [("net.ipv4.ip_local_port_range".into(), "5000 5010".into())].into();
        substrate.start(&id, some).await.unwrap();
        for name in ["none", "some"] {
            substrate.wait(&id, name).await.unwrap();
        }
        assert_eq!(text(substrate, &id, "none").await, "CapEff:0000000000000000NoNewPrivs:1");
        assert!(text(substrate, &id, "some").await.ends_with("1\n"));
        let check = container(
            &house,
            "check",
            "cat /proc/sys/net/ipv4/ip_local_port_range; ip link | grep -c 'mtu 1234'",
        );
        substrate.start(&id, check).await.unwrap();
        substrate.wait(&id, "check").await.unwrap();
        assert_eq!(text(substrate, &id, "check").await, "5000\t5010\n1\n");
        // what is between processes is each container's own
        let mut own = container(&house, "own", "cd /proc/sys; cat kernel/sem fs/mqueue/msg_max");
        own.own_users = house.has("user namespaces");
        own.sysctls =
            [("kernel.sem".into(), "5 160 10 32".into()), ("fs.mqueue.msg_max".into(), "7".into())]
                .into();
        substrate.start(&id, own).await.unwrap();
        substrate.wait(&id, "own").await.unwrap();
        assert_eq!(text(substrate, &id, "own").await, "5\t160\t10\t32\n7\n");
        let mut bad = container(&house, "bad", "true");
        bad.sysctls = [("kernel.shmmax".into(), "much".into())].into();
        let refused = substrate.start(&id, bad).await;
        assert!(matches!(refused, Err(SubstrateError::Refused { .. })), "{refused:?}");
        for name in ["kernel.core_pattern", "net.../../kernel/core_pattern", "vm.swappiness"] {
            let mut bad = container(&house, "bad", "true");
            bad.sysctls = [(name.into(), "1".into())].into();
            let refused = substrate.start(&id, bad).await;
            assert!(matches!(refused, Err(SubstrateError::Refused { .. })), "{name}: {refused:?}");
        }
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_leave_the_host_processes_of_its_own() {
    let Some(house) = House::new().await else { return };
    let read = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let host = ["pid_max", "threads-max"].map(|name| read(&format!("/proc/sys/kernel/{name}")));
    let host = host.into_iter().flatten().min().unwrap();
    house.crash(async |substrate| {
        let (mut spec, _) = house.task("many");
        spec.limits.pids = Some(u32::MAX);
        let id = substrate.ensure(spec).await.unwrap().id;
        let script = "cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max";
        let mut main = container(&house, "main", script);
        main.limits.pids = Some(u32::MAX);
        substrate.start(&id, main).await.unwrap();
        substrate.wait(&id, "main").await.unwrap();
        assert_eq!(text(substrate, &id, "main").await.trim(), (host / 4).to_string());
        let group = format!("haar-{}/pids.max", house.config.instance);
        let all = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"];
        let all = all.into_iter().find_map(|top| read(&format!("{top}/{group}")));
        assert_eq!(all, Some(host / 4 * 3));
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_into_a_sandboxs_own_files_is_its_own_memory_and_nobody_elses_room() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (mut spec, _) = house.task("writes");
        spec.limits.memory = Some(haar_types::MemoryMib(48));
        let id = substrate.ensure(spec).await.unwrap().id;
        // a file system without an end: there is none that one could fill for others
        let end = "for f in hosts hostname resolv.conf; do stat -f -c %b /etc/$f; done";
        substrate.start(&id, container(&house, "end", end)).await.unwrap();
        substrate.wait(&id, "end").await.unwrap();
        assert_eq!(text(substrate, &id, "end").await, "0\n0\n0\n");
        let script = "dd if=/dev/zero of=/etc/hosts bs=1M count=200 2>/dev/null; echo written";
        substrate.start(&id, container(&house, "main", script)).await.unwrap();
        let exit = substrate.wait(&id, "main").await.unwrap();
        let written = text(substrate, &id, "main").await;
        assert!(exit.out_of_memory, "{exit:?}: {written}");
        let other = said(substrate, &house, "reads", "cat /etc/hosts").await;
        assert!(other.contains("localhost"), "{other}");
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_hosts_firmware_says_is_not_seen() {
    let Some(house) = House::new().await else { return };
    if !Path::new("/sys/firmware").exists() {
        println!("skipped: this host shows no firmware");
        return;
    }
    house.crash(async |substrate| {
        let script = "grep ' /sys/firmware ' /proc/mounts | cut -d' ' -f3; ls -A /sys/firmware";
        assert_eq!(said(substrate, &house, "firmware", script).await, "tmpfs\n");
    });
    house.until_nothing_is_left().await;
}
