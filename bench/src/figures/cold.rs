//! Cold starts beside the bare interpreter.

use std::time::Duration;

use crate::Bench;
use crate::cloud::Cloud;
use crate::functions::{Kind, Maker};
use crate::report::{Samples, milliseconds, ratio};

/// How long a pool may take to fill again.
const REFILL: Duration = Duration::from_millis(400);
/// Set in a function's environment, each makes haar start it afresh, outside any pool.
const FRESH: &[(&str, &str)] = &[("PYTHONUNBUFFERED", "1"), ("NODE_NO_WARNINGS", "1")];

pub(super) async fn measure(bench: &mut Bench) -> Result<(), String> {
    let cloud = Cloud::start(&bench.haar, None, &[]).await?;
    for (kind, name, aim) in [
        (Kind::Python, "Python", ("≤ 0.5 ×", "≤ 3 ×")),
        (Kind::Node, "Node", ("≤ 0.3 ×", "")),
        (Kind::Static, "static binary", ("≤ 4 ms more", "")),
    ] {
        let rounds = bench.rounds(20);
        let (warm, fresh, bare) = rounds_of(bench, &cloud, kind, rounds).await?;
        let more = warm.p50().saturating_sub(bare.p50());
        let compared = match kind {
            Kind::Static => format!("{} more", milliseconds(more)),
            _ => ratio(warm.p50(), bare.p50()),
        };
        let ours = format!("{} (p90 {})", milliseconds(warm.p50()), milliseconds(warm.at(90)));
        let peer = format!("{} to start and end bare", milliseconds(bare.p50()));
        let what = format!("cold invoke, {name}, pool warm: p50");
        bench.report.row(&what, ours, peer.clone(), compared, aim.0);
        if kind != Kind::Static {
            let what = format!("cold invoke, {name}, pool not used: p50");
            let compared = ratio(fresh.p50(), bare.p50());
            bench.report.row(&what, milliseconds(fresh.p50()), peer, compared, aim.1);
        }
    }
    cloud.stop().await
}

/// Times by turns, so that all see the same mood of the machine: pool warm, pool not used, bare.
async fn rounds_of(
    bench: &Bench,
    cloud: &Cloud,
    kind: Kind,
    rounds: usize,
) -> Result<(Samples, Samples, Samples), String> {
    let mut maker = Maker::new(&cloud.authority).await?;
    let (mut warm, mut fresh, mut bare) =
        (Samples::default(), Samples::default(), Samples::default());
    let first = maker.make(kind, &[]).await?;
    maker.invoke(&first).await?; // tells the cloud which pool to keep
    for _ in 0..rounds {
        let name = maker.make(kind, &[]).await?;
        tokio::time::sleep(REFILL).await;
        warm.add(maker.invoke(&name).await?);
        let name = maker.make(kind, FRESH).await?;
        tokio::time::sleep(REFILL).await;
        fresh.add(maker.invoke(&name).await?);
        bare.add(maker.bare(kind, &bench.haar).await?);
    }
    Ok((warm, fresh, bare))
}
