//! Small requests of the services that keep data, beside an echo server and, where they are
//! installed, peers that keep the same in memory.

use std::time::Duration;

use futures_util::future::try_join_all;
use http::Method;
use serde_json::json;

use crate::Bench;
use crate::calls::{self, make_queue, make_rule, make_table};
use crate::client::{Ask, Connection, Work, work_at_once};
use crate::cloud::{Cloud, data_dir};
use crate::echo::Echo;
use crate::emulators::{self, Emulator};

const CONNECTIONS: usize = 64;
/// Objects of each connection.
const EACH: usize = 3000;
const READS: &str = "≥ 50 %";
const WRITES: &str = "≥ 25 %";

/// What is measured: its name, what each connection does, and the aim beside the echo server.
type Load = (&'static str, Box<dyn Fn(usize) -> Work + Send + Sync>, &'static str);

pub(super) async fn measure(bench: &mut Bench) -> Result<(), String> {
    let length = Duration::from_secs(if bench.quick { 1 } else { 5 });
    let (_folder, data) = data_dir(&bench.haar)?;
    let cloud = Cloud::start(&bench.haar, Some(&data), &[]).await?;
    let echo = Echo::start().await?;
    let peers = emulators::installed(bench.emulators.as_deref()).await;
    let ours = loads(&cloud.authority).await?;
    let mut theirs = Vec::new();
    for peer in &peers {
        match loads(&peer.authority).await {
            Ok(loads) => theirs.push((peer, loads)),
            Err(error) => eprintln!("  {}: {error}", peer.name),
        }
    }
    let keeper = Echo::keeper(&data.with_extension("keeper")).await?;
    for (index, (name, work, aim)) in ours.iter().enumerate() {
        work_at_once(&cloud.authority, CONNECTIONS, length / 4, work).await?;
        let rate = work_at_once(&cloud.authority, CONNECTIONS, length, work).await?;
        let same = |number| Work::Same(work(number).first());
        let bare = work_at_once(&echo.authority, CONNECTIONS, length, same).await?;
        bench.report.row(
            &format!("{name}, {CONNECTIONS} connections"),
            format!("{rate:.0} requests/s"),
            format!("{bare:.0}/s echo"),
            format!("{:.0} %", 100.0 * rate / bare),
            aim,
        );
        if name.starts_with("S3 PUT") {
            let kept = work_at_once(&keeper.authority, CONNECTIONS, length, work).await?;
            bench.report.row(
                &format!("{name}, {CONNECTIONS} connections"),
                format!("{rate:.0} requests/s"),
                format!("{kept:.0}/s: a bare hyper server that hashes and keeps the same"),
                format!("{:.0} %", 100.0 * rate / kept),
                "",
            );
        }
        for (peer, loads) in &theirs {
            beside(bench, (name, rate), peer, &loads[index].1, length).await;
        }
    }
    each(bench, &cloud, &echo, length).await?;
    drop((keeper, echo));
    cloud.stop().await
}

/// Objects that are each read in turn, more than stay in the server's memory.
async fn each(
    bench: &mut Bench,
    cloud: &Cloud,
    echo: &Echo,
    length: Duration,
) -> Result<(), String> {
    let path = |number, count| format!("/bench-bucket/each/{number}/{count}");
    let get = |number, count| calls::s3(Method::GET, &path(number, count), "");
    let puts = (0..CONNECTIONS).map(async |number| {
        let mut connection = Connection::open(&cloud.authority).await?;
        for count in 0..EACH {
            let put = calls::s3(Method::PUT, &path(number, count), vec![b'x'; 1024]);
            connection.must(&put).await?;
        }
        Ok::<_, String>(())
    });
    try_join_all(puts).await?;
    let gets = |number| Work::Each((0..EACH).map(|count| get(number, count)).collect());
    work_at_once(&cloud.authority, CONNECTIONS, length / 4, gets).await?;
    let rate = work_at_once(&cloud.authority, CONNECTIONS, length, gets).await?;
    let same = |number| Work::Same(get(number, 0));
    let bare = work_at_once(&echo.authority, CONNECTIONS, length, same).await?;
    bench.report.row(
        &format!("S3 GET of 1 KB, {} objects in turn", CONNECTIONS * EACH),
        format!("{rate:.0} requests/s"),
        format!("{bare:.0}/s echo"),
        format!("{:.0} %", 100.0 * rate / bare),
        "",
    );
    Ok(())
}

async fn beside(
    bench: &mut Bench,
    (name, rate): (&str, f64),
    peer: &Emulator,
    work: &(dyn Fn(usize) -> Work + Send + Sync),
    length: Duration,
) {
    match work_at_once(&peer.authority, CONNECTIONS, length, work).await {
        Err(error) => eprintln!("  {}: {name}: {error}", peer.name),
        Ok(theirs) => bench.report.row(
            &format!("{name}, {CONNECTIONS} connections"),
            format!("{rate:.0} requests/s"),
            format!("{theirs:.0}/s {}", peer.name),
            format!("{:.1} ×", rate / theirs),
            &format!("≥ {} ×", peer.aim),
        ),
    }
}

/// Lays down what is read and written, and tells what each connection does with it.
async fn loads(authority: &str) -> Result<Vec<Load>, String> {
    let mut connection = Connection::open(authority).await?;
    make_table(&mut connection, "bench").await?;
    for number in 0..CONNECTIONS {
        let item = calls::put_item("bench", &format!("item {number}"));
        connection.must(&item).await?;
    }
    connection.must(&calls::s3(Method::PUT, "/bench-bucket", "")).await?;
    let kilobyte = || vec![b'x'; 1024];
    connection.must(&calls::s3(Method::PUT, "/bench-bucket/object", kilobyte())).await?;
    let mut urls = Vec::new();
    for number in 0..8 {
        let name = format!("bench-{number}");
        urls.push(make_queue(&mut connection, &name, &json!({})).await?);
    }
    make_queue(&mut connection, "bench-events", &json!({})).await?;
    make_rule(&mut connection, "bench", "bench-events").await?;
    let same = |ask: Ask| Work::Same(ask);
    Ok(vec![
        (
            "DynamoDB GetItem",
            Box::new(move |number| same(calls::get_item("bench", &format!("item {number}")))),
            READS,
        ),
        (
            "DynamoDB PutItem",
            Box::new(move |number| same(calls::put_item("bench", &format!("{number}-COUNT")))),
            WRITES,
        ),
        (
            "S3 GET of 1 KB",
            Box::new(move |_| same(calls::s3(Method::GET, "/bench-bucket/object", ""))),
            READS,
        ),
        (
            "S3 PUT of 1 KB",
            Box::new(move |number| {
                let path = format!("/bench-bucket/{number}/COUNT");
                same(calls::s3(Method::PUT, &path, kilobyte()))
            }),
            WRITES,
        ),
        (
            "SQS send + receive + delete, 8 queues",
            Box::new(move |number| Work::Queue(urls[number % urls.len()].clone())),
            WRITES,
        ),
        ("PutEvents, no rule", Box::new(move |_| same(calls::put_events("nobody"))), WRITES),
        (
            "PutEvents, a rule to a queue",
            Box::new(move |_| same(calls::put_events("bench"))),
            WRITES,
        ),
    ])
}
