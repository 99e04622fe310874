//! Warm invocations and reads beside an echo server over loopback.

use std::time::Duration;

use http::Method;

use crate::Bench;
use crate::client::{Ask, at_once, in_turn, in_turns};
use crate::cloud::Cloud;
use crate::echo::Echo;
use crate::functions::{Kind, Maker, invocation};
use crate::report::{milliseconds, ratio};

const CONNECTIONS: usize = 16;

pub(super) async fn measure(bench: &mut Bench) -> Result<(), String> {
    let length = Duration::from_secs(if bench.quick { 1 } else { 5 });
    let rounds = bench.rounds(2_000);
    let cloud = Cloud::start(&bench.haar, None, &[]).await?;
    let echo = Echo::start().await?;
    let mut maker = Maker::new(&cloud.authority).await?;
    let relay = Echo::relay().await?;
    let program = maker.serving(&relay.authority).await?;
    for (kind, name) in [(Kind::Static, "static binary"), (Kind::Python, "Python")] {
        let function = maker.make(kind, &[]).await?;
        let ask = invocation(&function);
        in_turn(&cloud.authority, &ask, 50).await?;
        let all = [&cloud.authority, &echo.authority, &relay.authority].map(String::as_str);
        let [ours, peer, bare] = in_turns(all, &ask, rounds).await?;
        bench.report.row(
            &format!("warm invoke, {name}, one connection: p50"),
            format!("{} (p99 {})", milliseconds(ours.p50()), milliseconds(ours.at(99))),
            format!("{} echo", milliseconds(peer.p50())),
            ratio(ours.p50(), peer.p50()),
            "≤ 2 ×",
        );
        bench.report.row(
            &format!("warm invoke, {name}, one connection: p50"),
            milliseconds(ours.p50()),
            format!("{}: the static program behind a bare hyper server", milliseconds(bare.p50())),
            ratio(ours.p50(), bare.p50()),
            "",
        );
        at_once(&cloud.authority, CONNECTIONS, length / 3, |_| ask.clone()).await?;
        let ours = at_once(&cloud.authority, CONNECTIONS, length, |_| ask.clone()).await?;
        let peer = at_once(&echo.authority, CONNECTIONS, length, |_| ask.clone()).await?;
        bench.report.row(
            &format!("warm invoke, {name}, {CONNECTIONS} connections"),
            format!("{ours:.0}/s"),
            format!("{peer:.0}/s echo"),
            format!("{:.2} ×", ours / peer),
            "≥ 2,000/s",
        );
        if kind == Kind::Static {
            reads(bench, &cloud, &echo, &function, length).await?;
        }
    }
    drop((program, relay, echo));
    cloud.stop().await
}

/// GetFunction beside the echo of as many bytes.
async fn reads(
    bench: &mut Bench,
    cloud: &Cloud,
    echo: &Echo,
    function: &str,
    length: Duration,
) -> Result<(), String> {
    let path = format!("/2015-03-31/functions/{function}");
    let read = Ask::new(Method::GET, path, "").at_service("lambda");
    let ours = at_once(&cloud.authority, CONNECTIONS, length, |_| read.clone()).await?;
    let same_size = Ask::new(Method::POST, "/", vec![b'x'; 1200]);
    let peer = at_once(&echo.authority, CONNECTIONS, length, |_| same_size.clone()).await?;
    bench.report.row(
        &format!("GetFunction, {CONNECTIONS} connections"),
        format!("{ours:.0}/s"),
        format!("{peer:.0}/s echo"),
        format!("{:.0} %", 100.0 * ours / peer),
        "≥ 50 %",
    );
    Ok(())
}
