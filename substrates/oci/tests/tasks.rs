//! Sandboxes of images, container by container, against the real kernel. They need root; what a
//! host lacks is said and skipped.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)] // as tests do

mod house;

use std::io::{Read, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{join_all, select};
use haar_substrate::{
    ContainerState, Event, Exit, ImageId, Mount, OutputMode, RunAs, Stdio, Substrate,
    SubstrateError, Volume, VolumeSource,
};
use house::{House, container, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_say_how_they_run_and_containers_overrule_them() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, _) = house.task("said");
        let id = substrate.ensure(spec).await.unwrap().id;
        // the image's: user web, working directory /srv/app, A=image
        let mut plain = container(&house, "plain", "");
        plain.argv = vec!["id -u; id -G; pwd; echo $A $HOME; touch x && echo wrote".to_owned()];
        substrate.start(&id, plain).await.unwrap();
        substrate.wait(&id, "plain").await.unwrap();
        let said = text(substrate, &id, "plain").await;
        // the directory is root's
        let refused = "touch: x: Permission denied\n";
        assert_eq!(said, format!("101\n102 44\n/srv/app\nimage /srv\n{refused}"));

        let mut other =
            container(&house, "other", "id -u; id -g; pwd; echo $A; touch /new && echo wrote");
        other.user = RunAs::Named("0:logs".into());
        other.env = vec![("A".into(), "mine".into())];
        other.cwd = "/made/here".into();
        substrate.start(&id, other.clone()).await.unwrap();
        substrate.wait(&id, "other").await.unwrap();
        assert_eq!(text(substrate, &id, "other").await, "0\n44\n/made/here\nmine\nwrote\n");

        other.name = "sealed".into();
        other.read_only_root = true;
        substrate.start(&id, other.clone()).await.unwrap();
        substrate.wait(&id, "sealed").await.unwrap();
        assert!(text(substrate, &id, "sealed").await.ends_with("Read-only file system\n"));

        for (name, change) in [("user", "nobody-here"), ("group", "0:nothing")] {
            let mut bad = container(&house, name, "true");
            bad.user = RunAs::Named(change.into());
            let refused = substrate.start(&id, bad).await;
            assert!(matches!(refused, Err(SubstrateError::Refused { .. })), "{refused:?}");
        }
        let mut missing = container(&house, "missing", "");
        missing.entrypoint = Some(vec!["no-such-program".into()]);
        let Err(SubstrateError::Refused { program, reason }) = substrate.start(&id, missing).await
        else {
            panic!("it started");
        };
        assert_eq!(program, "no-such-program");
        assert!(reason.contains("not found in $PATH"), "{reason}");
        let mut nowhere = container(&house, "nowhere", "true");
        nowhere.root = haar_substrate::Root::Image(ImageId(format!("sha256:{:064}", 0)));
        let refused = substrate.start(&id, nowhere).await;
        assert!(matches!(refused, Err(SubstrateError::ImageNotFound(_))), "{refused:?}");
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_restart_and_their_ends_are_told() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let mut events = substrate.watch().await.unwrap();
        let (spec, _) = house.task("again");
        let id = substrate.ensure(spec).await.unwrap().id;
        let mut main = container(&house, "main", "echo run; exit 3");
        for attempt in 0..3 {
            main.attempt = attempt;
            let status = substrate.start(&id, main.clone()).await.unwrap();
            assert_eq!(status.containers["main"].attempt, attempt);
            let exit = Exit { code: Some(3), signal: None, out_of_memory: false };
            let told = events.next().await;
            let Some(Event::Exited { id: of, container, attempt: run, exit: how, at }) = told
            else {
                panic!("{told:?}");
            };
            assert_eq!((&of, container.as_str(), run, how), (&id, "main", attempt, exit));
            let same = substrate.start(&id, main.clone()).await.unwrap();
            assert_eq!(same.containers["main"].state, ContainerState::Exited(exit));
            assert_eq!(same.containers["main"].ended_at, Some(at));
            let end = substrate.stop(&id, "main", Duration::ZERO).await.unwrap();
            assert_eq!((end.exit, end.at), (exit, at));
        }
        assert_eq!(text(substrate, &id, "main").await, "run\nrun\nrun\n");

        // as process 1 it does not hear what it does not handle
        let stubborn = container(&house, "stubborn", "echo up; while :; do sleep 1; done");
        substrate.start(&id, stubborn).await.unwrap();
        let end = substrate.stop(&id, "stubborn", Duration::from_millis(50)).await.unwrap();
        assert_eq!(end.exit.signal, Some(9));
        let mut polite = container(&house, "polite", "echo up; exec sleep 1000");
        polite.init = true;
        substrate.start(&id, polite).await.unwrap();
        let end = substrate.stop(&id, "polite", Duration::from_secs(60)).await.unwrap();
        assert_eq!(end.exit.signal, Some(15));
        let mut quit = container(
            &house,
            "quit",
            "trap 'echo bye; exit 5' QUIT; echo up; while :; do sleep 0.01; done",
        );
        quit.stop.signal = Some("SIGQUIT".into());
        substrate.start(&id, quit).await.unwrap();
        let mut logs = substrate.logs(&id, "quit", 0).await.unwrap();
        let up = logs.next().await.unwrap();
        assert_eq!((up.stream, up.bytes.as_ref()), (Stdio::Out, b"up\n".as_slice()));
        assert_eq!(
            substrate.stop(&id, "quit", Duration::from_secs(60)).await.unwrap().exit.code,
            Some(5)
        );
        assert_eq!(logs.next().await.unwrap().bytes, "bye\n");
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_dies_of_memory_takes_no_other_with_it() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, _) = house.task("memory");
        let id = substrate.ensure(spec).await.unwrap().id;
        substrate.start(&id, container(&house, "calm", "exec sleep 1000")).await.unwrap();
        let mut hungry =
            container(&house, "hungry", "x=0123456789abcdef; while :; do x=$x$x; done");
        hungry.limits.memory = Some(haar_types::MemoryMib(32));
        hungry.output = OutputMode::Discard;
        let mut events = substrate.watch().await.unwrap();
        let starved = |container: &str| Event::OutOfMemory {
            id: id.clone(),
            container: container.to_owned(),
        };
        // the second has next to nothing, and is killed before anybody listens
        for (attempt, mib) in [(1, 32), (2, 1), (3, 8)] {
            let memory = Some(haar_types::MemoryMib(mib));
            let limits = haar_substrate::Limits { memory, ..hungry.limits.clone() };
            let hungry = haar_substrate::ContainerSpec { attempt, limits, ..hungry.clone() };
            substrate.start(&id, hungry).await.unwrap();
            let exit = substrate.wait(&id, "hungry").await.unwrap();
            assert_eq!((exit.signal, exit.out_of_memory), (Some(9), true));
            assert_eq!(events.next().await, Some(starved("hungry")), "with {mib} MiB");
            assert!(matches!(events.next().await, Some(Event::Exited { .. })));
        }

        // one that is not the first to run is killed, and the container goes on
        let mut parent = hungry;
        parent.name = "parent".into();
        parent.argv =
            vec!["sh -c 'x=0123456789abcdef; while :; do x=$x$x; done'; exec sleep 1000".into()];
        substrate.start(&id, parent).await.unwrap();
        assert_eq!(events.next().await, Some(starved("parent")));
        let status = substrate.list().await.unwrap().remove(0);
        assert!(status.containers["parent"].state.exit().is_none());
        let status = substrate.list().await.unwrap().remove(0);
        assert!(status.containers["calm"].state.exit().is_none());
        let stats = substrate.container_stats(&id, "calm").await.unwrap();
        assert!(stats.memory_bytes > 0 && stats.pids == 1, "{stats:?}");
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mounts_go_into_each_other_and_can_be_read_only() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        for (name, size_bytes) in [("bounded", Some(16 << 20)), ("plain", None)] {
            let (mut spec, _) = house.task(name);
            let source = VolumeSource::Empty { size_bytes };
            spec.volumes = ["outer", "inner", "etc"]
                .map(|name| Volume { name: name.into(), source: source.clone() })
                .into();
            let id = substrate.ensure(spec).await.unwrap().id;
            let volume = |name: &str, target: &str, read_only| Mount::Volume {
                name: name.into(),
                target: target.into(),
                read_only,
            };
            // the inner one first, as nobody orders them; the image's own directory below another
            let mut writer = container(
                &house,
                "writer",
                "pwd; echo in >/data/sub/deep/in && echo out >/data/out; ls /data /data/sub/deep; \
                 grep -c $(hostname) /etc/hosts; ls /etc; touch /data/sub/deep/x",
            );
            writer.mounts = vec![
                volume("inner", "/data/sub/deep", false),
                volume("outer", "/data/", false),
                volume("etc", "/etc", false),
            ];
            writer.cwd = "/data/own/here".into();
            substrate.start(&id, writer).await.unwrap();
            assert_eq!(substrate.wait(&id, "writer").await.unwrap().code, Some(0));
            let said = text(substrate, &id, "writer").await;
            let listed = "/data:\nout\nown\nsub\n\n/data/sub/deep:\nin\n";
            let own = "hostname\nhosts\nresolv.conf\n";
            assert_eq!(said, format!("/data/own/here\n{listed}1\n{own}"));

            // the other way round: what is sealed holds what is not
            let mut reader = container(
                &house,
                "reader",
                "cat /data/out /data/new/in; touch /data/x 2>/dev/null || echo sealed; \
                 touch /data/new/y && echo open",
            );
            reader.mounts =
                vec![volume("inner", "/data/new", false), volume("outer", "/data", true)];
            substrate.start(&id, reader).await.unwrap();
            substrate.wait(&id, "reader").await.unwrap();
            assert_eq!(text(substrate, &id, "reader").await, "out\nin\nsealed\nopen\n");

            // the seal was that container's alone
            let mut again = container(&house, "again", "touch /data/x && echo open");
            again.mounts = vec![volume("outer", "/data", false)];
            substrate.start(&id, again).await.unwrap();
            substrate.wait(&id, "again").await.unwrap();
            assert_eq!(text(substrate, &id, "again").await, "open\n");
            substrate.remove(&id, Duration::ZERO).await.unwrap();
        }
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_removed_while_it_starts_is_gone() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        for round in 0..10 {
            let (spec, _) = house.task("brief");
            let id = substrate.ensure(spec.clone()).await.unwrap().id;
            let main = container(&house, "main", "exec sleep 1000");
            let (started, removed) =
                tokio::join!(substrate.start(&id, main), substrate.remove(&id, Duration::ZERO));
            removed.unwrap();
            assert!(matches!(started, Ok(_) | Err(SubstrateError::Gone(_))), "{started:?}");
            assert!(substrate.list().await.unwrap().is_empty(), "round {round}");
        }
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_can_be_dialled_streamed_paused_and_bounded() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (mut spec, _) = house.task("rest");
        spec.volumes = vec![Volume {
            name: "shared".into(),
            source: VolumeSource::Empty { size_bytes: None },
        }];
        let id = substrate.ensure(spec).await.unwrap().id;
        let volume = |read_only| Mount::Volume {
            name: "shared".into(),
            target: "/shared".into(),
            read_only,
        };
        let mut server = container(&house, "server", "echo in >/shared/index.html; echo up; exec httpd -f -p 127.0.0.1:80 -h /shared");
        server.output = OutputMode::Stream;
        server.mounts = vec![volume(false)];
        substrate.start(&id, server).await.unwrap();
        let mut output = substrate.output(&id, "server").await.unwrap();
        assert_eq!(output.next().await.unwrap().bytes, "up\n");
        let at = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80);
        let mut stream = loop {
            // it may not listen yet
            match substrate.dial(&id, at, Duration::from_secs(20)).await {
                Ok(stream) => break stream,
                Err(SubstrateError::NoAnswer(..)) => tokio::task::yield_now().await,
                Err(other) => panic!("{other:?}"),
            }
        };
        stream.set_nonblocking(false).unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("in\n"), "{answer}");

        let mut reader = container(&house, "reader", "cat /shared/index.html; touch /shared/x 2>/dev/null || echo sealed");
        reader.mounts = vec![volume(true)];
        substrate.start(&id, reader).await.unwrap();
        substrate.wait(&id, "reader").await.unwrap();
        assert_eq!(text(substrate, &id, "reader").await, "in\nsealed\n");

        let mut small = container(&house, "small", "dd if=/dev/zero of=/big bs=1M count=40 2>&1 | grep -o 'No space'; rm /big; touch /etc/fine && echo fine");
        small.root_size_bytes = Some(16 << 20);
        substrate.start(&id, small).await.unwrap();
        substrate.wait(&id, "small").await.unwrap();
        let said = text(substrate, &id, "small").await;
        let bounded = house.has("loop devices and mke2fs");
        assert_eq!(said, if bounded { "No space\nfine\n" } else { "fine\n" });

        let busy = container(&house, "busy", "while :; do :; done");
        substrate.start(&id, busy).await.unwrap();
        substrate.pause(&id, "busy", true).await.unwrap();
        let end = substrate.stop(&id, "busy", Duration::ZERO).await.unwrap();
        assert_eq!(end.exit.signal, Some(9), "what is paused can be stopped");
        let script = "test -t 0 && test -t 1 && stty size; echo err >&2; echo $TERM; exec 2>&1; cat";
        for (name, init) in [("terminal", false), ("terminal-init", true)] {
            let mut terminal = container(&house, name, script);
            (terminal.terminal, terminal.init) = (true, init);
            substrate.start(&id, terminal).await.unwrap();
            let mut said = substrate.logs(&id, name, 0).await.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"xterm\r\n") {
                seen.extend_from_slice(&said.next().await.unwrap().bytes);
            }
            assert_eq!(seen, b"24 80\r\nerr\r\nxterm\r\n");
            // its input stays open
            substrate.stop(&id, name, Duration::ZERO).await.unwrap();
            assert!(said.next().await.is_none());
        }
        let mut terminal = container(&house, "streamed", "true");
        (terminal.terminal, terminal.output) = (true, OutputMode::Stream);
        let refused = substrate.start(&id, terminal).await;
        assert!(matches!(refused, Err(SubstrateError::Unsupported(..))), "{refused:?}");
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_see_their_own_control_groups_and_cannot_change_them() {
    let Some(house) = House::new().await else { return };
    if !house.has("cgroup v1 memory") && !house.has("cgroup v2 memory") {
        println!("skipped: memory is not limited here");
        return;
    }
    house.crash(async |substrate| {
        let (spec, _) = house.task("groups");
        let id = substrate.ensure(spec).await.unwrap().id;
        let script = "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes 2>/dev/null || cat memory.max; \
            for f in memory/memory.limit_in_bytes memory.max memory/tasks cgroup.procs; do \
                [ -e $f ] && echo 1 2>/dev/null >$f && echo wrote $f; done; \
            mkdir x memory/x 2>/dev/null && echo made; true";
        let mut main = container(&house, "main", script);
        main.limits.memory = Some(haar_types::MemoryMib(64));
        substrate.start(&id, main).await.unwrap();
        substrate.wait(&id, "main").await.unwrap();
        assert_eq!(text(substrate, &id, "main").await, format!("{}\n", 64 << 20));
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

/// Such a container is done before its start is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_output_of_the_shortest_containers_has_an_end() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, _) = house.task("short");
        let id = substrate.ensure(spec).await.unwrap().id;
        for number in 0..40 {
            let name = format!("short-{number}");
            let mut short = container(&house, &name, "");
            short.argv = vec![format!("echo {number}")];
            substrate.start(&id, short).await.unwrap();
            assert_eq!(text(substrate, &id, &name).await, format!("{number}\n"));
        }
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_that_is_used_again_has_nothing_of_the_one_before() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let script = "ls /left /srv/left 2>/dev/null; echo x >/left && mkdir -p /srv/left/in && \
                      ln -s / /srv/left/up && mv /etc/passwd /etc/moved && rm /etc/group && ls /etc";
        for round in 0..8 {
            let (spec, _) = house.task(&format!("round-{round}"));
            let id = substrate.ensure(spec).await.unwrap().id;
            let mut main = container(&house, "main", script);
            main.root_size_bytes = Some(64 << 20);
            substrate.start(&id, main).await.unwrap();
            let code = substrate.wait(&id, "main").await.unwrap().code;
            let said = text(substrate, &id, "main").await;
            assert_eq!((code, said.contains("left"), said.contains("moved")), (Some(0), false, true));
            substrate.remove(&id, Duration::ZERO).await.unwrap();
        }
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_input_may_stay_open_without_bringing_anything() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let id = substrate.ensure(house.task("input").0).await.unwrap().id;
        for (name, open) in [("shut", false), ("open", true)] {
            let script = "exec 3<&0; (cat <&3; echo shut >/tmp/said) & sleep 1; \
                          cat /tmp/said 2>/dev/null || echo open";
            let mut main = container(&house, name, script);
            main.open_stdin = open;
            substrate.start(&id, main).await.unwrap();
            assert_eq!(substrate.wait(&id, name).await.unwrap().code, Some(0));
            assert_eq!(text(substrate, &id, name).await.trim(), name);
        }
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_sandboxes_together_weigh_as_much_as_all_processors() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let id = substrate.ensure(house.task("weight").0).await.unwrap().id;
        let group = format!("/sys/fs/cgroup/cpu/haar-{}/cpu.shares", house.config.instance);
        // with version 2 a group's weight is told from its processes' otherwise
        if let Ok(shares) = std::fs::read_to_string(group) {
            let processors = std::thread::available_parallelism().unwrap().get();
            assert_eq!(shares.trim().parse(), Ok(processors * 1_024));
        }
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_removed_before_its_turn_to_be_made_is_gone() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let specs = (0..24).map(|number| {
            let (mut spec, _) = house.task(&format!("removed-{number}"));
            spec.containers = vec![container(&house, "main", "exec sleep 1000")];
            spec
        });
        let specs: Vec<_> = specs.collect();
        let made = join_all(specs.iter().map(|spec| substrate.ensure(spec.clone())));
        // all are asked for, and none is waited for
        drop(select(made, std::future::ready(())).await);
        let removed = specs.iter().map(|spec| substrate.remove(&spec.id, Duration::ZERO));
        for removed in join_all(removed).await {
            removed.unwrap();
        }
        let last = substrate.ensure(house.task("last").0).await.unwrap().id;
        let left: Vec<_> = substrate.list().await.unwrap().into_iter().map(|one| one.id).collect();
        assert_eq!(left, std::slice::from_ref(&last));
        substrate.remove(&last, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}
