//! What every backend must do, as checks that a backend's tests call. Each makes its own
//! sandboxes and panics where the backend does otherwise.
//!
//! They need a Debian-like host: `/bin/sh` and the core utilities; the ones that say so,
//! `/usr/bin/python3`.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // panicking is what checks do

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use haar_types::{CpuUnits, MemoryMib};

use crate::{
    ContainerSpec, ContainerState, Exit, Limits, Mount, OUTSIDE, Root, SandboxId, SandboxSpec,
    Stdio, Substrate, SubstrateError, User, WarmTemplate,
};

/// The container that every sandbox here has.
const MAIN: &str = "main";
/// No user of the host.
const SANDBOXED: User = User { uid: 993, gid: 990 };

/// A sandbox whose shell runs `script`.
pub fn shell(id: &str, script: &str) -> SandboxSpec {
    program(id, &["/bin/sh", "-c", script])
}

/// A sandbox that runs a program.
pub fn program(id: &str, argv: &[&str]) -> SandboxSpec {
    let root = Root::Host { also: Vec::new() };
    SandboxSpec {
        labels: BTreeMap::from([("made-by".to_owned(), "contract".to_owned())]),
        hostname: "contract".to_owned(),
        limits: Limits {
            memory: Some(MemoryMib(128)),
            cpu: Some(CpuUnits(1_024)),
            pids: Some(64),
            files: Some(512),
            ..Limits::default()
        },
        containers: vec![ContainerSpec {
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
            cwd: "/".to_owned(),
            user: SANDBOXED.into(),
            ..ContainerSpec::new(MAIN, root)
        }],
        ..SandboxSpec::new(SandboxId(id.to_owned()))
    }
}

/// Runs a sandbox to its end and removes it; answers how it ended and what it wrote to each
/// stream.
pub async fn run(substrate: &dyn Substrate, spec: SandboxSpec) -> (Exit, String, String) {
    let id = spec.id.clone();
    substrate.ensure(spec).await.expect("the sandbox starts");
    let mut output = substrate.output(&id, MAIN).await.expect("the output can be taken");
    let exit = substrate.wait(&id, MAIN).await.expect("the end is told");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let Some(chunk) = output.next().await {
        match chunk.stream {
            Stdio::Out => out.extend_from_slice(&chunk.bytes),
            Stdio::Err => err.extend_from_slice(&chunk.bytes),
        }
    }
    substrate.remove(&id, Duration::ZERO).await.expect("the sandbox can be removed");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (exit, text(out), text(err))
}

async fn told(substrate: &dyn Substrate, id: &str, script: &str) -> String {
    let (exit, out, err) = run(substrate, shell(id, script)).await;
    assert_eq!((exit.code, err.as_str()), (Some(0), ""), "{script}");
    out.trim().to_owned()
}

/// Exit codes, signals and output of both streams are told as they were.
pub async fn ends_are_told(substrate: &dyn Substrate) {
    let (exit, out, err) = run(substrate, shell("code", "echo a; echo b >&2; exit 7")).await;
    assert_eq!(exit, Exit { code: Some(7), signal: None, out_of_memory: false });
    assert_eq!((out.as_str(), err.as_str()), ("a\n", "b\n"));
    let (exit, ..) = run(substrate, shell("signal", "kill -9 $$")).await;
    assert_eq!(exit, Exit { code: None, signal: Some(9), out_of_memory: false });
    let (exit, ..) = run(substrate, shell("abort", "kill -6 $$")).await;
    assert_eq!(exit.signal, Some(6));
}

/// A program that is not there is refused, and nothing is left of the attempt.
pub async fn missing_programs_are_refused(substrate: &dyn Substrate) {
    let refused = substrate.ensure(program("missing", &["/usr/bin/no-such-program"])).await;
    let Err(SubstrateError::Refused { program, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(program, "/usr/bin/no-such-program");
    assert!(substrate.list().await.unwrap().iter().all(|status| status.id.0 != "missing"));
}

/// The same id again only reports; removing what is gone succeeds.
pub async fn verbs_can_be_repeated(substrate: &dyn Substrate) {
    let spec = shell("twice", "exec sleep 1000");
    let first = substrate.ensure(spec.clone()).await.unwrap();
    let second = substrate.ensure(spec.clone()).await.unwrap();
    assert_eq!(first, second);
    assert!(matches!(first.containers[MAIN].state, ContainerState::Running { .. }));
    let listed = substrate.list().await.unwrap();
    let ours: Vec<_> = listed.iter().filter(|status| status.id == spec.id).collect();
    assert_eq!(ours.len(), 1);
    assert_eq!(ours[0].labels["made-by"], "contract");
    for _ in 0..2 {
        substrate.remove(&spec.id, Duration::from_millis(10)).await.unwrap();
    }
    assert!(matches!(substrate.stats(&spec.id).await, Err(SubstrateError::Gone(_))));
    assert!(matches!(substrate.wait(&spec.id, MAIN).await, Err(SubstrateError::Gone(_))));
}

/// Removal asks politely first.
pub async fn removal_lets_programs_finish(substrate: &dyn Substrate) {
    let script = "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done";
    let spec = shell("polite", script);
    substrate.ensure(spec.clone()).await.unwrap();
    let mut output = substrate.output(&spec.id, MAIN).await.unwrap();
    assert_eq!(output.next().await.unwrap().bytes, "up\n");
    substrate.remove(&spec.id, Duration::from_secs(60)).await.unwrap();
    assert_eq!(output.next().await.unwrap().bytes, "bye\n");
    assert!(output.next().await.is_none());
}

/// User, environment, working directory, host name and open files are as asked.
pub async fn processes_are_as_asked(substrate: &dyn Substrate) {
    let mut spec =
        shell("asked", "id -u; id -g; pwd; echo $A; hostname; ulimit -n; id -G; env | wc -l");
    spec.containers[0].env.push(("A".to_owned(), "b c".to_owned()));
    spec.containers[0].cwd = "/usr/lib".to_owned();
    let (exit, out, err) = run(substrate, spec).await;
    assert_eq!((exit.code, err.as_str()), (Some(0), ""));
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[..7], ["993", "990", "/usr/lib", "b c", "contract", "512", "990"]);
}

/// The kernel kills what passes its memory, and this is told apart from other kills.
pub async fn memory_is_limited(substrate: &dyn Substrate) {
    let mut spec = program("oom", &["/usr/bin/python3", "-c", "b = bytearray(400 << 20)"]);
    spec.limits.memory = Some(MemoryMib(64));
    let (exit, ..) = run(substrate, spec).await;
    assert_eq!(exit, Exit { code: None, signal: Some(9), out_of_memory: true });
}

/// A fork bomb stays within its limit and can be removed.
pub async fn fork_bombs_are_contained(substrate: &dyn Substrate) {
    let script = "b() { b | b & }; b 2>/dev/null; echo lit; sleep 1000";
    let mut spec = shell("bomb", script);
    spec.limits.pids = Some(32);
    substrate.ensure(spec.clone()).await.unwrap();
    let mut output = substrate.output(&spec.id, MAIN).await.unwrap();
    let _ = output.next().await;
    assert!(substrate.stats(&spec.id).await.unwrap().pids <= 32);
    substrate.remove(&spec.id, Duration::ZERO).await.unwrap();
}

/// Nothing can be written but what is mounted for it, and that is bounded.
pub async fn writing_is_limited(substrate: &dyn Substrate) {
    let places = "/ /etc /usr /var /proc/sys/kernel /sys /dev";
    let script = format!("for d in {places}; do touch $d/x 2>/dev/null && echo $d; done; true");
    assert_eq!(told(substrate, "read-only", &script).await, "");
    assert_eq!(told(substrate, "null", "echo x >/dev/null && echo fine").await, "fine");

    let bounded = |id: &str, mount: Mount| {
        let mut spec = shell(
            id,
            "head -c 5000000 /dev/zero >/tmp/a && echo fits; head -c 9000000 /dev/zero >/tmp/b",
        );
        spec.containers[0].mounts.push(mount);
        spec
    };
    let (target, size_bytes) = ("/tmp".to_owned(), 10 << 20);
    let memory = bounded("tmpfs", Mount::Tmpfs { target: target.clone(), size_bytes });
    let (exit, out, err) = run(substrate, memory).await;
    assert_eq!((exit.code, out.as_str()), (Some(1), "fits\n"));
    assert!(err.contains("No space left"), "{err}");
    let disk = bounded("scratch", Mount::Scratch { target, size_bytes: 16 << 20 });
    let (exit, out, _) = run(substrate, disk).await;
    assert_eq!(out, "fits\n");
    assert!(exit.code.is_some());
}

/// Mounts show what they shall, in their order.
pub async fn mounts_show_their_sources(substrate: &dyn Substrate, dir: &std::path::Path) {
    for (name, file, text) in [("low", "a", "1"), ("low", "b", "1"), ("high", "b", "2")] {
        std::fs::create_dir_all(dir.join(name)).unwrap();
        std::fs::write(dir.join(name).join(file), text).unwrap();
    }
    let mut spec =
        shell("mounts", "cat /opt/a /opt/b /var/task/b /etc/one; touch /opt/x || echo -n no");
    spec.containers[0].mounts = vec![
        Mount::Union { sources: vec![dir.join("low"), dir.join("high")], target: "/opt".into() },
        Mount::Bind { source: dir.join("low"), target: "/var/task".into(), read_only: true },
        Mount::Bind { source: dir.join("high/b"), target: "/etc/one".into(), read_only: true },
    ];
    let (_, out, err) = run(substrate, spec).await;
    assert_eq!(out, "1212no", "{err}");
}

/// Containers of one sandbox share its network and scratch space; each end is told by itself.
pub async fn containers_share_a_sandbox(substrate: &dyn Substrate) {
    let mut spec =
        shell("two", "echo from main >/tmp/x; exec /usr/bin/python3 -m http.server -d /tmp 80");
    spec.containers[0].mounts =
        vec![Mount::Scratch { target: "/tmp".to_owned(), size_bytes: 16 << 20 }];
    spec.containers[0].user = User { uid: 0, gid: 0 }.into();
    let mut second = spec.containers[0].clone();
    second.name = "second".to_owned();
    let script = "import urllib.request, time\n\
        while True:\n\
        \x20   try: print(urllib.request.urlopen('http://127.0.0.1/x').read().decode(), end=''); break\n\
        \x20   except OSError: time.sleep(0.02)";
    second.argv = ["/usr/bin/python3", "-c", script].map(str::to_owned).to_vec();
    spec.containers.push(second);
    let id = spec.id.clone();
    substrate.ensure(spec).await.unwrap();
    let mut output = substrate.output(&id, "second").await.unwrap();
    assert_eq!(output.next().await.unwrap().bytes, "from main\n");
    assert_eq!(substrate.wait(&id, "second").await.unwrap().code, Some(0));
    let listed = substrate.list().await.unwrap();
    let ours = listed.iter().find(|status| status.id == id).unwrap();
    assert!(matches!(ours.containers[MAIN].state, ContainerState::Running { .. }));
    substrate.remove(&id, Duration::ZERO).await.unwrap();
}

/// Neither files, processes nor devices of the host can be seen.
pub async fn the_host_is_hidden(substrate: &dyn Substrate) {
    let secret = "ls /etc/shadow /etc/ssl/private /srv/* /home/* /root/* /boot 2>/dev/null; true";
    assert_eq!(told(substrate, "files", secret).await, "");
    assert_eq!(told(substrate, "pids", "set -- /proc/[0-9]*; echo $#").await, "2");
    assert_eq!(told(substrate, "disks", "ls /dev | grep -c -e '^[hsv]d' -e loop; true").await, "0");
    assert_eq!(
        told(substrate, "net", "ls /proc/sys/net/ipv4/conf | tr '\\n' ' '").await,
        "all default lo"
    );
    let masked = "head -c 1 /proc/kcore /proc/keys 2>/dev/null | grep -v '==>' | wc -c";
    assert!(told(substrate, "masked", masked).await.parse::<u32>().unwrap() <= 2);
    let fds = told(substrate, "fds", "ls /proc/self/fd | tr '\\n' ' '").await;
    assert_eq!(fds, "0 1 2 3"); // 3 is the directory being listed
}

/// Privileges are gone, for root inside too.
pub async fn privileges_are_dropped(substrate: &dyn Substrate) {
    let script =
        "grep -e CapEff -e CapBnd -e NoNewPrivs -e 'Seccomp:' /proc/self/status | tr -d '\\t\\n'";
    let none = "0000000000000000";
    let expected = format!("CapEff:{none}CapBnd:{none}NoNewPrivs:1Seccomp:2");
    assert_eq!(told(substrate, "privileges", script).await, expected);

    let attempts = "unshare -m true 2>/dev/null && echo unshare; \
        unshare -U true 2>/dev/null && echo user; \
        mount -t tmpfs t /tmp 2>/dev/null && echo mount; \
        hostname x 2>/dev/null && echo hostname; \
        mknod /tmp/d b 7 0 2>/dev/null && echo mknod; \
        chroot / true 2>/dev/null && echo chroot; \
        dmesg 2>/dev/null && echo dmesg; true";
    let mut spec = shell("root", attempts);
    spec.containers[0].user = User { uid: 0, gid: 0 }.into();
    let (_, out, _) = run(substrate, spec).await;
    assert_eq!(out, "");
}

/// What is frozen does not run, goes on when thawed, and dies when removed.
pub async fn freezing_stops_everything(substrate: &dyn Substrate) {
    let spec = shell("frozen", "while :; do :; done");
    substrate.ensure(spec.clone()).await.unwrap();
    substrate.freeze(&spec.id, true).await.unwrap();
    let cpu = async |substrate: &dyn Substrate| substrate.stats(&spec.id).await.unwrap().cpu;
    // freezing may take a moment; then the figure stays, however long one looks
    let mut before = cpu(substrate).await;
    let mut still = false;
    for _ in 0..100 {
        burn();
        let after = cpu(substrate).await;
        still = after == before;
        if still {
            break;
        }
        before = after;
    }
    assert!(still);
    substrate.freeze(&spec.id, false).await.unwrap();
    while cpu(substrate).await == before {}
    substrate.freeze(&spec.id, true).await.unwrap();
    substrate.remove(&spec.id, Duration::ZERO).await.unwrap();
}

/// Takes long enough for another process to be seen running.
fn burn() {
    for number in 0..5_000_000u64 {
        std::hint::black_box(number);
    }
}

/// Figures are there, and the peak can be started anew where the host can.
pub async fn figures_are_told(substrate: &dyn Substrate) {
    let script =
        "b = bytearray(40 << 20); del b; print('freed', flush=True); import time; time.sleep(1000)";
    let spec = program("figures", &["/usr/bin/python3", "-c", script]);
    substrate.ensure(spec.clone()).await.unwrap();
    let mut output = substrate.output(&spec.id, MAIN).await.unwrap();
    assert_eq!(output.next().await.unwrap().bytes, "freed\n");
    let stats = substrate.stats(&spec.id).await.unwrap();
    assert!(stats.memory_peak_bytes >= 40 << 20, "{stats:?}");
    assert!(stats.memory_bytes < stats.memory_peak_bytes, "{stats:?}");
    assert!(stats.cpu > Duration::ZERO && (1..=3).contains(&stats.pids), "{stats:?}");
    substrate.reset_peak(&spec.id).await.unwrap();
    let again = substrate.stats(&spec.id).await.unwrap();
    assert!(again.memory_peak_bytes <= stats.memory_peak_bytes, "{again:?}");
    let smaller = Limits { memory: Some(MemoryMib(64)), ..spec.limits.clone() };
    substrate.resize(&spec.id, &smaller).await.unwrap();
    substrate.signal(&spec.id, MAIN, 15).await.unwrap();
    assert_eq!(substrate.wait(&spec.id, MAIN).await.unwrap().signal, Some(15));
    substrate.remove(&spec.id, Duration::ZERO).await.unwrap();
}

/// What programs inside connect to outside comes to the way out, with where it was meant to go;
/// what is inside does not.
pub async fn the_way_out_leads_everywhere(substrate: &dyn Substrate) {
    let script = "import socket\n\
        own = socket.create_server(('127.0.0.1', 8080))\n\
        mine = socket.create_connection(('127.0.0.1', 8080)); own.accept()\n\
        for a in (('192.0.2.7', 443), ('203.0.113.9', 8080)):\n\
        \x20   c = socket.create_connection(a, 20); c.sendall(b'ping'); print(c.recv(9))\n\
        names = open('/proc/net/udp').read()\n\
        print(names.count('0100007F:0035'), flush=True)";
    let mut spec = program("way-out", &["/usr/bin/python3", "-c", script]);
    spec.listen = vec![OUTSIDE];
    let id = spec.id.clone();
    substrate.ensure(spec).await.unwrap();
    let listener = substrate.listener(&id, OUTSIDE).await.unwrap();
    let mut output = substrate.output(&id, MAIN).await.unwrap();
    listener.set_nonblocking(false).unwrap();
    for meant in ["192.0.2.7:443", "203.0.113.9:8080"] {
        let (mut stream, _) = listener.accept().unwrap();
        assert_eq!(stream.local_addr().unwrap().to_string(), meant);
        stream.set_nonblocking(false).unwrap();
        let mut asked = [0; 4];
        stream.read_exact(&mut asked).unwrap();
        stream.write_all(&asked).unwrap();
    }
    let mut told = Vec::new();
    while let Some(chunk) = output.next().await {
        told.extend_from_slice(&chunk.bytes);
    }
    assert_eq!(String::from_utf8_lossy(&told), "b'ping'\nb'ping'\n1\n");
    substrate.remove(&id, Duration::ZERO).await.unwrap();
}

/// Programs inside reach the sockets that were opened for them, and nothing else.
pub async fn listeners_are_inside(substrate: &dyn Substrate) {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9001);
    let second = SocketAddrV4::new(Ipv4Addr::new(169, 254, 170, 2), 80);
    let script = "import socket\n\
        for a in (('127.0.0.1', 9001), ('169.254.170.2', 80)):\n\
        \x20   s = socket.create_connection(a); s.sendall(b'ping'); print(s.recv(4).decode())\n\
        try: socket.create_connection(('1.1.1.1', 53))\n\
        except OSError: print('alone')";
    let mut spec = program("listen", &["/usr/bin/python3", "-c", script]);
    spec.listen = vec![address, second];
    substrate.ensure(spec.clone()).await.unwrap();
    let mut output = substrate.output(&spec.id, MAIN).await.unwrap();
    for address in spec.listen {
        let listener = substrate.listener(&spec.id, address).await.unwrap();
        assert!(substrate.listener(&spec.id, address).await.is_err(), "only once");
        listener.set_nonblocking(false).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(false).unwrap();
        let mut ping = [0; 4];
        stream.read_exact(&mut ping).unwrap();
        stream.write_all(b"pong").unwrap();
    }
    let mut text = Vec::new();
    while let Some(chunk) = output.next().await {
        text.extend_from_slice(&chunk.bytes);
    }
    assert_eq!(String::from_utf8_lossy(&text), "pong\npong\nalone\n");
    substrate.remove(&spec.id, Duration::ZERO).await.unwrap();
}

/// What listens inside can be dialled from outside, frozen or not; where nothing listens or
/// nothing accepts, that is told and not waited for.
pub async fn programs_inside_can_be_dialled(substrate: &dyn Substrate) {
    let script = "import socket, time\n\
        deaf = socket.create_server(('127.0.0.1', 8002), backlog=0)\n\
        s = socket.create_server(('127.0.0.1', 8001)); print('up', flush=True)\n\
        for _ in range(2):\n\
        \x20   c, _ = s.accept(); c.sendall(c.recv(4)[::-1]); c.close()\n\
        time.sleep(1000)";
    let local = |port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let limit = Duration::from_secs(10);
    let spec = program("dialled", &["/usr/bin/python3", "-c", script]);
    let id = spec.id.clone();
    substrate.ensure(spec).await.unwrap();
    let mut output = substrate.output(&id, MAIN).await.unwrap();
    assert_eq!(output.next().await.unwrap().bytes, "up\n");
    for frozen in [false, true] {
        substrate.freeze(&id, frozen).await.unwrap();
        let mut stream = substrate.dial(&id, local(8001), limit).await.unwrap();
        stream.set_nonblocking(false).unwrap();
        stream.write_all(b"ping").unwrap();
        substrate.freeze(&id, false).await.unwrap();
        let mut back = String::new();
        stream.read_to_string(&mut back).unwrap();
        assert_eq!(back, "gnip");
    }
    let refused = substrate.dial(&id, local(8003), limit).await;
    let Err(SubstrateError::NoAnswer(_, at, error)) = refused else { panic!("{refused:?}") };
    assert_eq!((at, error.kind()), (local(8003), ErrorKind::ConnectionRefused));
    let mut waiting = Vec::new(); // fills the queue of those that nobody accepts
    let full = loop {
        match substrate.dial(&id, local(8002), Duration::from_millis(50)).await {
            Ok(stream) => waiting.push(stream),
            Err(error) => break error,
        }
        assert!(waiting.len() < 10, "the queue has no end");
    };
    let SubstrateError::NoAnswer(_, _, error) = full else { panic!("{full:?}") };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    substrate.remove(&id, Duration::ZERO).await.unwrap();
    let gone = substrate.dial(&id, local(8001), limit).await;
    assert!(matches!(gone, Err(SubstrateError::Gone(_))), "{gone:?}");
}

/// A template that reads its assignment and runs it as Python.
pub fn python_template(name: &str) -> WarmTemplate {
    let script = "import socket, sys, os\n\
        s = socket.socket(fileno=int(os.environ['HAAR_ASSIGN_FD']))\n\
        exec(s.makefile().read())";
    WarmTemplate {
        name: name.to_owned(),
        root: Root::Host { also: Vec::new() },
        argv: ["/usr/bin/python3", "-c", script].map(str::to_owned).to_vec(),
        env: vec![("WAITED".to_owned(), "yes".to_owned())],
        mounts: Vec::new(),
        listen: vec![SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9001)],
        user: SANDBOXED,
        mount_points: vec!["/var/task".to_owned(), "/tmp".to_owned()],
    }
}

/// A sandbox of this template that runs `script`.
pub fn assigned(id: &str, template: &WarmTemplate, script: &str) -> SandboxSpec {
    let mut spec = program(id, &[]);
    spec.listen = template.listen.clone();
    spec.containers[0].template = Some(template.clone());
    spec.containers[0].assignment = Some(Bytes::from(script.to_owned()));
    spec.containers[0].mounts =
        vec![Mount::Tmpfs { target: "/tmp".to_owned(), size_bytes: 1 << 20 }];
    spec
}

/// A template's sandbox takes its assignment, late mounts and limits, whether one waited or not.
pub async fn warm_sandboxes_take_work(substrate: &dyn Substrate, dir: &std::path::Path) {
    std::fs::write(dir.join("code"), "late").unwrap();
    let template = python_template("waiting");
    let script = "import os; print(open('/var/task/code').read(), os.environ['WAITED'], os.getuid(), \
        os.uname().nodename, os.statvfs('/tmp').f_blocks)";
    for (number, wanted) in [0usize, 1, 2].into_iter().enumerate() {
        substrate.prepare(vec![(template.clone(), wanted)]).await.unwrap();
        let mut spec = assigned(&format!("assigned-{number}"), &template, script);
        spec.containers[0].mounts.push(Mount::Bind {
            source: dir.to_owned(),
            target: "/var/task".to_owned(),
            read_only: true,
        });
        let id = spec.id.clone();
        let (exit, out, err) = run(substrate, spec).await;
        assert_eq!(exit.code, Some(0), "{err}");
        assert_eq!(out, "late yes 993 contract 256\n", "{id}");
    }
    substrate.prepare(Vec::new()).await.unwrap();
}

/// Many at once neither fail nor disturb each other.
pub async fn many_run_at_once(substrate: &dyn Substrate) {
    let runs = (0..40).map(|number| {
        let spec = shell(&format!("many-{number}"), &format!("echo {number}; exit {number}"));
        run(substrate, spec)
    });
    let ends = futures_util::future::join_all(runs).await;
    for (number, (exit, out, _)) in ends.into_iter().enumerate() {
        assert_eq!((exit.code, out), (Some(number as i32), format!("{number}\n")));
    }
}
