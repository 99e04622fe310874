//! Pillow as a layer, where this machine's Python can be given it.

use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use haar_clock::Clock;
use tokio::process::Command;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// Longest wait for pip; the tour goes on without.
const PIP_MAX: Duration = Duration::from_secs(30);

/// The zip of a layer with Pillow for a Python; `None` where that has no pip, or nothing it could
/// reach.
pub(super) async fn pillow(python: &Path, folder: &Path, clock: &Clock) -> Option<Vec<u8>> {
    let wheels = folder.join("wheels");
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]);
    pip.args(["--retries", "0", "--timeout", "5", "--dest"]).arg(&wheels).arg("pillow");
    pip.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let status = clock.timeout(PIP_MAX, pip.status()).await.ok()?.ok()?;
    let wheel = std::fs::read_dir(&wheels).ok()?.flatten().next()?;
    let wheel = std::fs::read(wheel.path()).ok()?;
    if status.success() { below_python(&wheel) } else { None }
}

/// A wheel is a zip: what it holds goes below `python/`, where layers have it.
fn below_python(wheel: &[u8]) -> Option<Vec<u8>> {
    let mut wheel = ZipArchive::new(Cursor::new(wheel)).ok()?;
    let mut layer = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..wheel.len() {
        let mut file = wheel.by_index(index).ok()?;
        if file.is_dir() {
            continue;
        }
        let mut content = Vec::new();
        file.read_to_end(&mut content).ok()?;
        let name = format!("python/{}", file.name().ok()?);
        let options = SimpleFileOptions::default().unix_permissions(0o755);
        layer.start_file(name, options).ok()?;
        layer.write_all(&content).ok()?;
    }
    layer.finish().ok().map(Cursor::into_inner)
}
