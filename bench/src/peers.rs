//! crun and runc, which run the same root file system without any network.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::images::{Small, output, run};

/// The runtimes that are installed.
pub(crate) async fn installed() -> Vec<&'static str> {
    let mut found = Vec::new();
    for runtime in ["crun", "runc"] {
        if run(Command::new(runtime).arg("--version")).await.is_ok() {
            found.push(runtime);
        }
    }
    found
}

/// A bundle that a runtime starts.
pub(crate) struct Bundle {
    runtime: &'static str,
    folder: PathBuf,
    program: PathBuf,
}

impl Bundle {
    /// Writes a runtime's own default configuration for the image's root, without network.
    pub(crate) async fn make(runtime: &'static str, small: &Small) -> Result<Self, String> {
        let folder = small.folder.join(runtime);
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        run(Command::new(runtime).arg("spec").current_dir(&folder)).await?;
        configure(&folder.join("config.json"), &small.folder.join("rootfs"))?;
        Ok(Self { runtime, folder, program: small.program() })
    }

    /// From the runtime's start to the first instruction of what it runs.
    pub(crate) async fn start(&self, name: &str) -> Result<Duration, String> {
        let program = self.program.display();
        let line = format!("{program}; exec {}", self.line(name));
        let said = output(&mut shell(&line)).await?;
        let mut stamps = said.lines().filter_map(|line| line.trim().parse::<u64>().ok());
        let (Some(before), Some(after)) = (stamps.next(), stamps.next()) else {
            return Err(format!("{} said {said:?}", self.runtime));
        };
        Ok(Duration::from_nanos(after.saturating_sub(before)))
    }

    /// So many runs, one after another.
    pub(crate) async fn runs(&self, lane: usize, count: usize) -> Result<(), String> {
        let lines = (0..count).map(|number| self.line(&format!("{lane}-{number}")));
        run(&mut shell(&lines.collect::<Vec<_>>().join(" && "))).await.map(drop)
    }

    fn line(&self, name: &str) -> String {
        let (runtime, id) = (self.runtime, std::process::id());
        format!("{runtime} run -b {} haar-bench-{id}-{name}", self.folder.display())
    }
}

/// A shell in which hybrid hosts look like hosts of control groups of version 1: crun would take
/// them for version 2.
fn shell(line: &str) -> Command {
    let line = format!("umount /sys/fs/cgroup/unified 2>/dev/null; {line}");
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &line]);
    command
}

fn configure(path: &Path, root: &Path) -> Result<(), String> {
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let mut config: Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    config["process"]["terminal"] = false.into();
    config["process"]["args"] = json!(["/bin/task"]);
    config["process"]["rlimits"] = json!([]); // to raise limits needs a capability of its own
    config["root"]["path"] = root.display().to_string().into();
    if let Some(namespaces) = config["linux"]["namespaces"].as_array_mut() {
        namespaces.retain(|namespace| namespace["type"] != "cgroup");
    }
    std::fs::write(path, config.to_string()).map_err(|error| error.to_string())
}
