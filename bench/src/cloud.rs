//! The binary under measurement, as a child.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use http::Method;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::client::{Ask, Connection};

/// A running `haar up`.
pub(crate) struct Cloud {
    child: Child,
    pub(crate) authority: String,
    /// From its start to its first healthy answer.
    pub(crate) healthy_after: Duration,
}

impl Cloud {
    /// Starts one with a data directory, or ephemeral.
    pub(crate) async fn start(
        haar: &Path,
        data_dir: Option<&Path>,
        flags: &[&str],
    ) -> Result<Self, String> {
        let mut command = Command::new(haar);
        command.args(["up", "--listen", "127.0.0.1:0", "--log", "error"]).args(flags);
        match data_dir {
            Some(folder) => command.arg("--data-dir").arg(folder),
            None => command.arg("--ephemeral"),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let begun = Instant::now();
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let out = child.stdout.take().ok_or("no output")?;
        let mut lines = BufReader::new(out).lines();
        let authority = loop {
            let line = lines.next_line().await.map_err(|error| error.to_string())?;
            let line = line.ok_or("haar did not start")?;
            if let Some((_, authority)) = line.split_once("ready on http://") {
                break authority.trim().to_owned();
            }
        };
        let mut connection = Connection::open(&authority).await?;
        connection.must(&Ask::new(Method::GET, "/_haar/health", "")).await?;
        Ok(Self { child, authority, healthy_after: begun.elapsed() })
    }

    /// Resident memory in MiB of the server, and of all its descendants.
    pub(crate) fn resident_mib(&self) -> (f64, f64) {
        let server = self.child.id().unwrap_or_default();
        let mut all = vec![server];
        let mut next = 0;
        while let Some(parent) = all.get(next) {
            all.extend(children_of(*parent));
            next += 1;
        }
        let sum: f64 = all.iter().skip(1).map(|pid| resident_mib(*pid)).sum();
        (resident_mib(server), sum)
    }

    /// Stops it and waits.
    pub(crate) async fn stop(mut self) -> Result<(), String> {
        let pid = self.child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        self.child.wait().await.map(drop).map_err(|error| error.to_string())
    }
}

fn children_of(pid: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

/// A folder for a data directory, on the disk that holds the build.
pub(crate) fn data_dir(haar: &Path) -> Result<(tempfile::TempDir, PathBuf), String> {
    let beside = haar.parent().unwrap_or(Path::new("."));
    let folder = tempfile::Builder::new().prefix("haar-bench-").tempdir_in(beside);
    let folder = folder.map_err(|error| error.to_string())?;
    let data = folder.path().join("data");
    Ok((folder, data))
}
