//! Peers that keep the same records in memory: moto and ministack, from the Python registry.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use http::Method;
use tokio::process::{Child, Command};

use crate::client::{Ask, Connection};

/// A running peer; ends when dropped.
pub(crate) struct Emulator {
    pub(crate) name: &'static str,
    pub(crate) authority: String,
    /// How much faster haar aims to be.
    pub(crate) aim: f64,
    _child: Child,
    _folder: tempfile::TempDir,
}

/// Those that are installed in a folder of programs.
pub(crate) async fn installed(programs: Option<&Path>) -> Vec<Emulator> {
    let Some(programs) = programs else { return Vec::new() };
    let mut found = Vec::new();
    for (name, program, aim) in [("moto", "moto_server", 40.0), ("ministack", "ministack", 8.0)] {
        match Emulator::start(name, &programs.join(program), aim).await {
            Ok(emulator) => found.push(emulator),
            Err(error) => eprintln!("  {name}: {error}"),
        }
    }
    found
}

impl Emulator {
    async fn start(name: &'static str, program: &Path, aim: f64) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
        let port = listener.local_addr().map_err(|error| error.to_string())?.port();
        drop(listener);
        let mut command = Command::new(program);
        match name {
            "moto" => command.args(["-H", "127.0.0.1", "-p", &port.to_string()]),
            _ => command.env("GATEWAY_PORT", port.to_string()),
        };
        command.current_dir(folder.path()).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().map_err(|error| error.to_string())?;
        let emulator = Self {
            name,
            authority: format!("127.0.0.1:{port}"),
            aim,
            _child: child,
            _folder: folder,
        };
        emulator.ready().await?;
        Ok(emulator)
    }

    async fn ready(&self) -> Result<(), String> {
        let ask = Ask::new(Method::GET, "/", "");
        for _ in 0..300 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if let Ok(mut connection) = Connection::open(&self.authority).await
                && connection.ask(&ask).await.is_ok()
            {
                return Ok(());
            }
        }
        Err("did not start within 30 s".to_owned())
    }
}
