//! Measures what starting a sandbox costs, against starting a bare process. Needs root.
//!
//! `cargo run -p haar-substrate-oci --example starts`; with `-- --crowd` also a thousand at once.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use std::io::Read;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use haar_substrate::{Mount, SandboxSpec, Substrate, contract};
use haar_substrate_oci::{OciConfig, OciSubstrate, spawnd_main};

/// Times that each start is measured.
const ROUNDS: usize = 40;

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|word| word == "spawnd") {
        return spawnd_main(std::env::args().skip(2));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
    ExitCode::SUCCESS
}

async fn measure() {
    let dir = tempfile::tempdir().unwrap();
    let substrate = OciSubstrate::start(OciConfig {
        state_dir: dir.path().join("run"),
        instance: format!("starts-{}", std::process::id()),
        spawnd_exe: std::env::current_exe().unwrap(),
        images: None,
        ephemeral: None,
    })
    .await
    .unwrap();
    let substrate = &substrate;

    report("fork + exec of true, to its end", ROUNDS, async |_| {
        let started = Instant::now();
        assert!(Command::new("/bin/true").status().unwrap().success());
        started.elapsed()
    })
    .await;
    report("sandboxed true, kind never seen, to its end", ROUNDS, async |round| {
        let mut spec = contract::program(&format!("new-{round}"), &["/bin/true"]);
        let target = format!("/mnt/{round}");
        spec.containers[0].mounts.push(Mount::Tmpfs { target, size_bytes: 1 << 20 });
        to_end(substrate, spec).await
    })
    .await;
    report("sandboxed true, pooled, to its end", ROUNDS, async |round| {
        let spec = contract::program(&format!("pooled-{round}"), &["/bin/true"]);
        to_end(substrate, spec).await
    })
    .await;
    report("bare python3 -c pass, to its end", ROUNDS, async |_| {
        let started = Instant::now();
        assert!(Command::new("/usr/bin/python3").args(["-c", "pass"]).status().unwrap().success());
        started.elapsed()
    })
    .await;
    for (name, scratch) in [("tmpfs", false), ("512 MiB scratch", true)] {
        let template = contract::python_template(name);
        substrate.prepare(vec![(template.clone(), 2)]).await.unwrap();
        report(&format!("python waiting, {name}: assign -> first connection"), ROUNDS, async |round| {
            let script = "import _socket; c = _socket.socket(); c.connect(('127.0.0.1', 9001)); c.send(b'x')";
            let mut spec = contract::assigned(&format!("warm-{}-{round}", u8::from(scratch)), &template, script);
            if scratch {
                let (target, size_bytes) = ("/tmp".to_owned(), 512 << 20);
                spec.containers[0].mounts[0] = Mount::Scratch { target, size_bytes };
            }
            to_connection(substrate, spec).await
        })
        .await;
    }
    let spec = contract::shell("frozen", "exec sleep 1000");
    substrate.ensure(spec.clone()).await.unwrap();
    for (name, frozen) in [("freeze", true), ("thaw", false)] {
        report(name, ROUNDS, async |_| {
            substrate.freeze(&spec.id, !frozen).await.unwrap();
            let started = Instant::now();
            substrate.freeze(&spec.id, frozen).await.unwrap();
            started.elapsed()
        })
        .await;
    }
    report("figures", ROUNDS, async |_| {
        let started = Instant::now();
        substrate.stats(&spec.id).await.unwrap();
        started.elapsed()
    })
    .await;
    substrate.remove(&spec.id, Duration::ZERO).await.unwrap();
    if std::env::args().any(|word| word == "--crowd") {
        crowd(substrate).await;
    }
}

/// Starts 1,000 sandboxes with a waiting interpreter, 200 at a time, and removes them.
async fn crowd(substrate: &OciSubstrate) {
    let template = contract::python_template("crowd");
    substrate.prepare(vec![(template.clone(), 2)]).await.unwrap();
    let started = Instant::now();
    for round in 0..5 {
        let starts = (0..200).map(|number| {
            let script = "import time; print('up', flush=True); time.sleep(1000)";
            let mut spec =
                contract::assigned(&format!("crowd-{round}-{number}"), &template, script);
            let (target, size_bytes) = ("/tmp".to_owned(), 512 << 20);
            spec.containers[0].mounts[0] = Mount::Scratch { target, size_bytes };
            async move {
                let id = substrate.ensure(spec).await.unwrap().id;
                let mut output = substrate.output(&id, "main").await.unwrap();
                assert_eq!(output.next().await.unwrap().bytes, "up\n");
                id
            }
        });
        futures_util::future::join_all(starts).await;
    }
    let all = substrate.list().await.unwrap();
    println!("{} up after {:.1} s", all.len(), started.elapsed().as_secs_f64());
    let gone = all.iter().map(|status| substrate.remove(&status.id, Duration::ZERO));
    for removed in futures_util::future::join_all(gone).await {
        removed.unwrap();
    }
    println!("and gone after {:.1} s", started.elapsed().as_secs_f64());
}

async fn to_end(substrate: &OciSubstrate, spec: SandboxSpec) -> Duration {
    let id = spec.id.clone();
    let started = Instant::now();
    substrate.ensure(spec).await.unwrap();
    substrate.wait(&id, "main").await.unwrap();
    let took = started.elapsed();
    substrate.remove(&id, Duration::ZERO).await.unwrap();
    took
}

async fn to_connection(substrate: &OciSubstrate, spec: SandboxSpec) -> Duration {
    let (id, address) = (spec.id.clone(), spec.listen[0]);
    let started = Instant::now();
    let status = substrate.ensure(spec).await.unwrap();
    let listener = substrate.listener(&id, address).await.unwrap();
    listener.set_nonblocking(false).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let took = started.elapsed();
    let _ = stream.set_nonblocking(false).and_then(|()| stream.read(&mut [0]));
    assert!(status.warm);
    substrate.remove(&id, Duration::ZERO).await.unwrap();
    took
}

/// Runs a measurement many times, with pauses in which pools fill up, and prints milliseconds.
async fn report(name: &str, rounds: usize, work: impl AsyncFn(usize) -> Duration) {
    let mut took = Vec::with_capacity(rounds);
    for round in 0..rounds {
        tokio::time::sleep(Duration::from_millis(120)).await;
        took.push(work(round).await);
    }
    took.sort();
    let ms = |at: usize| took[at].as_secs_f64() * 1e3;
    let (least, half, most) = (ms(0), ms(rounds / 2), ms(rounds * 9 / 10));
    println!("{name:64} min {least:7.2}  p50 {half:7.2}  p90 {most:7.2}");
}
