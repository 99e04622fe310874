//! A large layer unpacked, beside Debian's `umoci` (to be installed). Needs root.

use std::path::Path;

use haar_images::build::{self, Compression, Layer};
use haar_substrate::ImageConfig;
use tokio::process::Command;

use crate::Bench;
use crate::cloud::{Cloud, data_dir};
use crate::images::run;
use crate::report::{Samples, milliseconds};

/// Files of the layer: as many small ones as a distribution has, and some large ones.
const SMALL_FILES: usize = 12_000;
const LARGE_FILES: usize = 8;
const LARGE_BYTES: usize = 16 << 20;

pub(super) async fn measure(bench: &mut Bench) -> Result<(), String> {
    let (folder, data) = data_dir(&bench.haar)?;
    let cloud = Cloud::start(&bench.haar, Some(&data), &[]).await?;
    let endpoint = format!("http://{}", cloud.authority);
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for round in 0..bench.rounds(10).max(3) {
        let layout = folder.path().join(format!("layout{round}"));
        lay_out(&layout, round);
        // what the layout itself owes the disk is nobody's whose turn it is
        rustix::fs::sync();
        let name = format!("large{round}:latest");
        let mut import = Command::new(&bench.haar);
        import.args(["images", "import", "--endpoint", &endpoint, "--name", &name]);
        ours.add(run(import.arg(&layout)).await?);
        let bundle = folder.path().join(format!("bundle{round}"));
        let image = format!("{}:latest", layout.display());
        let mut umoci = Command::new("umoci");
        umoci.args(["unpack", "--image", &image]).arg(&bundle);
        rustix::fs::sync();
        theirs.add(run(&mut umoci).await?);
        // all stays until the end: ext4 looks long for inodes that nobody has deleted of late
    }
    bench.report.row(
        "a gzipped layer of 12,008 files and 180 MB brought in and unpacked: p50",
        milliseconds(ours.p50()),
        format!("{}: umoci unpack", milliseconds(theirs.p50())),
        format!("{:.2} ×", theirs.p50().as_secs_f64() / ours.p50().as_secs_f64()),
        "≥ 1 ×",
    );
    cloud.stop().await
}

fn lay_out(folder: &Path, round: usize) {
    let mut layer = Layer::new().dir("lib/", 0o755);
    for number in 0..SMALL_FILES {
        let text = format!("{round} {number}\n").repeat(number % 1_000);
        let name = format!("lib/{:02}/{number}.txt", number % 100);
        if number < 100 {
            layer = layer.dir(&format!("lib/{number:02}/"), 0o755);
        }
        layer = layer.file(&name, 0o644, text.as_bytes());
    }
    for number in 0..LARGE_FILES {
        let bytes = super::registry::noise(LARGE_BYTES, (round * 100 + number + 1) as u64);
        layer = layer.file(&format!("lib/large{number}"), 0o755, &bytes);
    }
    let layer = layer.finish();
    build::layout(folder, &ImageConfig::default(), &[(layer, Compression::Gzip)]);
}
