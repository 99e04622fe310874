//! A cloud for the length of a tour: this binary, as a child, on a free port.

use std::process::Stdio;
use std::time::Duration;

use haar_clock::Clock;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Longest wait for a new cloud to be ready.
const READY_MAX: Duration = Duration::from_secs(30);
/// Longest wait for a cloud to stop.
const STOP_MAX: Duration = Duration::from_secs(20);
/// What a cloud says when it is ready, before its address.
const READY: &str = "haar is ready on ";

pub(super) struct OwnCloud {
    child: Child,
    pub(super) endpoint: String,
}

impl OwnCloud {
    pub(super) async fn start(substrate: &str) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|e| format!("cannot find haar: {e}"))?;
        let mut command = Command::new(program);
        command.args(["up", "--ephemeral", "--listen", "127.0.0.1:0", "--log", "warn"]);
        command.args(["--substrate", substrate]).env_remove("HAAR_DATA_DIR");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|e| format!("could not start a cloud: {e}"))?;
        let out = child.stdout.take().ok_or("the cloud has no output")?;
        let mut lines = BufReader::new(out).lines();
        let ready = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(endpoint) = line.strip_prefix(READY) {
                    return Some(endpoint.to_owned());
                }
            }
            None
        };
        match Clock::system().timeout(READY_MAX, ready).await {
            Ok(Some(endpoint)) => Ok(Self { child, endpoint }),
            Ok(None) => Err("the cloud did not start; `haar doctor` may tell why".to_owned()),
            Err(_) => Err(format!("the cloud was not ready within {} s", READY_MAX.as_secs())),
        }
    }

    /// Stops it as an operator would, and waits.
    pub(super) async fn stop(mut self) -> Result<(), String> {
        let pid = self.child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        match Clock::system().timeout(STOP_MAX, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("the cloud ended with {status}")),
            Ok(Err(error)) => Err(format!("could not wait for the cloud: {error}")),
            Err(_) => Err(format!("the cloud did not stop within {} s", STOP_MAX.as_secs())),
        }
    }
}
