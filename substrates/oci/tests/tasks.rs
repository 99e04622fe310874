//! Sandboxes of images with networks, against the real kernel. They need root; what a host
//! lacks is said and skipped.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)] // as tests do

mod house;

use std::io::{Read, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Duration;

use futures_util::StreamExt;
use haar_clock::Clock;
use haar_substrate::{
    ContainerState, Event, ExecSpec, Exit, Filter, FilterRule, ImageId, Lifetime, Mount, Network,
    OutputChunk, OutputMode, Peer, PortMapping, Protocol, RuleProtocol, RunAs, SandboxId, Stdio,
    Substrate, SubstrateError, TerminalSize, Volume, VolumeSource,
};
use house::{House, container, text};
use tokio::io::AsyncWriteExt;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_of_an_image_runs_with_an_address_of_its_own() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, address) = house.task("web");
        let made = substrate.ensure(spec).await.unwrap();
        let network = made.network.clone().unwrap();
        assert_eq!(network.address, address);

        let script = "echo hello from $(hostname) >/tmp/index.html; ip addr show eth0 | grep inet; \
        exec httpd -f -p 80 -h /tmp";
        substrate.start(&made.id, container(&house, "main", script)).await.unwrap();
        let page = fetch(address, "/").await;
        assert!(page.contains("hello from web"), "{page}");

        // another task reaches it by its address
        let (spec, _) = house.task("client");
        let client = substrate.ensure(spec).await.unwrap();
        let script =
            format!("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 {address} 80 | grep hello");
        substrate.start(&client.id, container(&house, "main", &script)).await.unwrap();
        let exit = substrate.wait(&client.id, "main").await.unwrap();
        let said = text(substrate, &client.id, "main").await;
        assert_eq!((exit.code, said.as_str()), (Some(0), "hello from web\n"));

        // so does a container of the same task, as localhost
        let script = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 127.0.0.1 80 | grep hello";
        substrate.start(&made.id, container(&house, "side", script)).await.unwrap();
        assert_eq!(substrate.wait(&made.id, "side").await.unwrap().code, Some(0));

        let taken = house.again(&SandboxId("other".into()), address);
        let refused = substrate.ensure(taken).await;
        assert!(matches!(refused, Err(SubstrateError::Refused { .. })), "{refused:?}");
        for id in [&made.id, &client.id] {
            substrate.remove(id, Duration::ZERO).await.unwrap();
        }
    });
    house.until_nothing_is_left().await;
}

/// Asks a server that may still be starting.
async fn fetch(address: Ipv4Addr, path: &str) -> String {
    let clock = Clock::system();
    for _ in 0..500 {
        if let Ok(mut stream) = TcpStream::connect((address, 80)) {
            stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            return answer;
        }
        clock.sleep(Duration::from_millis(10)).await;
    }
    panic!("{address} does not answer");
}

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
            let ended = Event::Exited { id: id.clone(), container: "main".into(), attempt, exit };
            assert_eq!(events.next().await, Some(ended));
            let same = substrate.start(&id, main.clone()).await.unwrap();
            assert_eq!(same.containers["main"].state, ContainerState::Exited(exit));
            assert!(same.containers["main"].ended_at.is_some());
        }
        assert_eq!(text(substrate, &id, "main").await, "run\nrun\nrun\n");

        // as process 1 it does not hear what it does not handle
        let stubborn = container(&house, "stubborn", "echo up; while :; do sleep 1; done");
        substrate.start(&id, stubborn).await.unwrap();
        let exit = substrate.stop(&id, "stubborn", Duration::from_millis(50)).await.unwrap();
        assert_eq!(exit.signal, Some(9));
        let mut polite = container(&house, "polite", "echo up; exec sleep 1000");
        polite.init = true;
        substrate.start(&id, polite).await.unwrap();
        let exit = substrate.stop(&id, "polite", Duration::from_secs(60)).await.unwrap();
        assert_eq!(exit.signal, Some(15));
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
            substrate.stop(&id, "quit", Duration::from_secs(60)).await.unwrap().code,
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
        substrate.start(&id, hungry).await.unwrap();
        let exit = substrate.wait(&id, "hungry").await.unwrap();
        assert_eq!((exit.signal, exit.out_of_memory), (Some(9), true));
        let status = substrate.list().await.unwrap().remove(0);
        assert!(status.containers["calm"].state.exit().is_none());
        let stats = substrate.container_stats(&id, "calm").await.unwrap();
        assert!(stats.memory_bytes > 0 && stats.pids == 1, "{stats:?}");
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

async fn all(mut output: futures_core::stream::BoxStream<'static, OutputChunk>) -> String {
    let mut said = Vec::new();
    while let Some(chunk) = output.next().await {
        said.extend_from_slice(&chunk.bytes);
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_run_in_a_container_with_and_without_a_terminal() {
    let Some(house) = House::new().await else { return };
    house.crash(async |substrate| {
        let (spec, _) = house.task("exec");
        let id = substrate.ensure(spec).await.unwrap().id;
        substrate.start(&id, container(&house, "main", "exec sleep 1000")).await.unwrap();

        let check = ExecSpec {
            env: vec![("B".into(), "b".into())],
            ..ExecSpec::new(&["sh", "-c", "echo $A $B; ps | grep -c '[s]leep 1000'; id -u; exit 3"])
        };
        let check = substrate.exec(&id, "main", check).await.unwrap();
        assert_eq!(all(check.output().unwrap()).await, "image b\n1\n0\n");
        assert_eq!(check.wait().await.unwrap().code, Some(3));

        let cat = ExecSpec { stdin: true, ..ExecSpec::new(&["cat"]) };
        let cat = substrate.exec(&id, "main", cat).await.unwrap();
        cat.write("in and out\n".into()).await.unwrap();
        cat.close_input().await;
        assert_eq!(all(cat.output().unwrap()).await, "in and out\n");
        assert_eq!(cat.wait().await.unwrap().code, Some(0));

        let size = TerminalSize { rows: 30, columns: 100 };
        let user = Some(RunAs::Named("web".into()));
        let shell = ExecSpec { terminal: Some(size), user, ..ExecSpec::new(&["sh"]) };
        let shell = substrate.exec(&id, "main", shell).await.unwrap();
        let mut output = shell.output().unwrap();
        shell.write("stty size; tty; id -u\n".into()).await.unwrap();
        let mut said = String::new();
        while !said.contains("101\r\n") {
            said.push_str(&String::from_utf8_lossy(&output.next().await.unwrap().bytes));
        }
        assert!(said.contains("30 100\r\n") && said.contains("/dev/pts/0\r\n"), "{said}");
        shell.resize(TerminalSize { rows: 40, columns: 120 });
        shell.write("stty size; exit 9\n".into()).await.unwrap();
        assert!(all(output).await.contains("40 120\r\n"));
        assert_eq!(shell.wait().await.unwrap().code, Some(9));

        let missing = substrate.exec(&id, "main", ExecSpec::new(&["no-such-program"])).await;
        assert!(matches!(missing, Err(SubstrateError::Refused { .. })));
        let sleeping = ExecSpec::new(&["sleep", "1234"]);
        let sleeping = substrate.exec(&id, "main", sleeping).await.unwrap();
        drop(sleeping);
        let gone =
            ExecSpec::new(&["sh", "-c", "while ps | grep -q '[s]leep 1234'; do sleep 0.01; done"]);
        let gone = substrate.exec(&id, "main", gone).await.unwrap();
        assert_eq!(gone.wait().await.unwrap().code, Some(0));
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_keep_traffic_out() {
    let Some(house) = House::new().await else { return };
    if !house.can_filter() {
        println!("skipped: nft is not installed");
        return;
    }
    house.crash(async |substrate| {
        let (spec, address) = house.task("server");
        let server = substrate.ensure(spec).await.unwrap().id;
        let script = "echo yes >/tmp/index.html; httpd -p 81 -h /tmp; exec httpd -f -p 80 -h /tmp";
        substrate.start(&server, container(&house, "main", script)).await.unwrap();
        fetch(address, "/").await;
        let (spec, client_address) = house.task("client");
        let client = substrate.ensure(spec).await.unwrap().id;
        substrate.start(&client, container(&house, "main", "exec sleep 1000")).await.unwrap();
        let reaches = async |port: u16| {
            let script = format!(
                "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 1 {address} {port} | grep -q yes"
            );
            let check = ExecSpec::new(&["sh", "-c", &script]);
            let check = substrate.exec(&client, "main", check).await.unwrap();
            check.wait().await.unwrap().code == Some(0)
        };
        assert!(reaches(80).await && reaches(81).await);

        let rule = |protocol, address, prefix| FilterRule {
            protocol,
            peers: vec![Peer { address, prefix }],
        };
        let anybody = rule(RuleProtocol::Any, Ipv4Addr::UNSPECIFIED, 0);
        let web = rule(RuleProtocol::Tcp(80, 80), client_address, 32);
        let filter = Filter { ingress: vec![web], egress: vec![anybody.clone()] };
        substrate.filter(&server, Some(filter)).await.unwrap();
        assert!(reaches(80).await && !reaches(81).await);
        let mute = Filter { ingress: vec![anybody], egress: Vec::new() };
        substrate.filter(&client, Some(mute)).await.unwrap();
        assert!(!reaches(80).await);
        substrate.filter(&client, None).await.unwrap();
        substrate.filter(&server, None).await.unwrap();
        assert!(reaches(81).await);
        for id in [&server, &client] {
            substrate.remove(id, Duration::ZERO).await.unwrap();
        }
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ports_of_the_host_lead_inside_and_are_there_again_after_a_crash() {
    let Some(house) = House::new().await else { return };
    let get = |port: u16| {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let (id, port) = house.crash(async |substrate| {
        let (mut spec, address) = house.task("ports");
        let Network::Bridged(bridged) = &mut spec.network else { panic!() };
        bridged.ports = made_ports(0);
        let made = substrate.ensure(spec.clone()).await.unwrap();
        let port = made.network.unwrap().ports[0].host_port;
        let script = "echo through >/tmp/index.html; exec httpd -f -p 80 -h /tmp";
        substrate.start(&made.id, container(&house, "main", script)).await.unwrap();
        fetch(address, "/").await;
        assert!(get(port).contains("through"));
        let stats = substrate.stats(&made.id).await.unwrap();
        assert!(stats.network_rx.bytes > 100 && stats.network_tx.count > 2, "{stats:?}");

        let (mut taken, _) = house.task("taken");
        let Network::Bridged(bridged) = &mut taken.network else { panic!() };
        bridged.ports = made_ports(port);
        let refused = substrate.ensure(taken).await;
        assert!(matches!(refused, Err(SubstrateError::Refused { .. })), "{refused:?}");
        (made.id, port)
    });
    house.crash(async |substrate| {
        assert!(get(port).contains("through"));
        substrate.remove(&id, Duration::ZERO).await.unwrap();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    });
    house.until_nothing_is_left().await;
}

fn made_ports(host_port: u16) -> Vec<PortMapping> {
    let host_address = Ipv4Addr::LOCALHOST;
    vec![PortMapping { host_address, host_port, container_port: 80, protocol: Protocol::Tcp }]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_are_kept_from_the_hosts_ports_but_not_from_their_own_listeners() {
    let Some(house) = House::new().await else { return };
    let private = std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = private.local_addr().unwrap().port();
    house.crash(async |substrate| {
        let (mut spec, _) = house.task("kept");
        let metadata = SocketAddrV4::new(Ipv4Addr::new(169, 254, 170, 2), 80);
        spec.listen = vec![metadata];
        let Network::Bridged(bridged) = &spec.network else { panic!() };
        let gateway = bridged.gateway;
        let id = substrate.ensure(spec).await.unwrap().id;
        substrate.start(&id, container(&house, "main", "exec sleep 1000")).await.unwrap();
        let ask = async |script: String| {
            let check = ExecSpec::new(&["sh", "-c", &script]);
            let check = substrate.exec(&id, "main", check).await.unwrap();
            let said = all(check.output().unwrap()).await;
            (check.wait().await.unwrap().code, said)
        };
        let listener = substrate.listener(&id, metadata).await.unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"credentials\n").await.unwrap();
        });
        let (_, said) = ask("sleep 5 | nc -w 5 169.254.170.2 80 2>&1".to_owned()).await;
        assert_eq!(said, "credentials\n");

        let (_, said) = ask("cat /etc/resolv.conf".to_owned()).await;
        assert_eq!(said, format!("nameserver {gateway}\n"));
        if house.can_filter() {
            let (code, _) = ask(format!("nc -w 1 {gateway} {port} </dev/null")).await;
            assert_ne!(code, Some(0), "a private port of the host answered");
        }
        substrate.remove(&id, Duration::ZERO).await.unwrap();
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

        let mut small = container(&house, "small", "dd if=/dev/zero of=/big bs=1M count=40 2>&1 | grep -o 'No space'; touch /etc/fine && echo fine");
        small.root_size_bytes = Some(16 << 20);
        substrate.start(&id, small).await.unwrap();
        substrate.wait(&id, "small").await.unwrap();
        let said = text(substrate, &id, "small").await;
        let bounded = house.has("loop devices and mke2fs");
        assert_eq!(said, if bounded { "No space\nfine\n" } else { "fine\n" });

        let busy = container(&house, "busy", "while :; do :; done");
        substrate.start(&id, busy).await.unwrap();
        substrate.pause(&id, "busy", true).await.unwrap();
        let exit = substrate.stop(&id, "busy", Duration::ZERO).await.unwrap();
        assert_eq!(exit.signal, Some(9), "what is paused can be stopped");
        let mut terminal = container(&house, "terminal", "true");
        terminal.terminal = true;
        let refused = substrate.start(&id, terminal).await;
        assert!(matches!(refused, Err(SubstrateError::Unsupported(..))), "{refused:?}");
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}
