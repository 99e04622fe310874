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
        let all = self.processes();
        let server = all.first().map_or(0.0, |server| server.mib);
        (server, all.iter().skip(1).map(|process| process.mib).sum())
    }

    /// The server and all its descendants, its helper among them.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let mut all = vec![self.child.id().unwrap_or_default()];
        let mut next = 0;
        while let Some(parent) = all.get(next) {
            all.extend(children_of(*parent));
            next += 1;
        }
        all.into_iter().filter_map(Process::read).collect()
    }

    /// What the server and its helper have used of the processor.
    pub(crate) fn own_cpu(&self) -> Duration {
        let own = self.processes();
        own.iter().filter(|process| process.name.starts_with("haar")).map(|one| one.cpu).sum()
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

/// What the system tells of a process.
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) name: String,
    /// Resident memory in MiB.
    pub(crate) mib: f64,
    /// Processor time so far.
    pub(crate) cpu: Duration,
}

impl Process {
    fn read(pid: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
        let kib = field("VmRSS:").and_then(|line| line.split_whitespace().next()?.parse().ok());
        let kib: f64 = kib.unwrap_or_default();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields = stat.rsplit(')').next()?.split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|text| text.parse::<u64>().ok()).sum();
        let cpu = Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second());
        Some(Self { pid, name: field("Name:")?.trim().to_owned(), mib: kib / 1024.0, cpu })
    }
}

/// A folder for a data directory, on the disk that holds the build.
pub(crate) fn data_dir(haar: &Path) -> Result<(tempfile::TempDir, PathBuf), String> {
    let beside = haar.parent().unwrap_or(Path::new("."));
    let folder = tempfile::Builder::new().prefix("haar-bench-").tempdir_in(beside);
    let folder = folder.map_err(|error| error.to_string())?;
    let data = folder.path().join("data");
    Ok((folder, data))
}
