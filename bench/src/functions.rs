//! Functions to call, and their peers without a cloud.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::client::{Ask, Connection};

const PYTHON: &str = "def handler(event, context):\n    return {'hello': event}\n";
const NODE: &str = "exports.handler = async (event) => ({ hello: event });\n";
const BOOTSTRAP: &str = include_str!("../inputs/bootstrap.c");

/// What kind of function.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Python,
    Node,
    Static,
}

impl Kind {
    fn label(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Node => "node",
            Self::Static => "static",
        }
    }
}

/// Makes functions of one cloud.
pub(crate) struct Maker {
    pub(crate) connection: Connection,
    folder: tempfile::TempDir,
    made: usize,
}

impl Maker {
    pub(crate) async fn new(authority: &str) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let connection = Connection::open(authority).await?;
        Ok(Self { connection, folder, made: 0 })
    }

    /// Creates a function and waits until it is active; `environment` holds pairs.
    pub(crate) async fn make(
        &mut self,
        kind: Kind,
        environment: &[(&str, &str)],
    ) -> Result<String, String> {
        let (runtime, handler, zip) = match kind {
            Kind::Python => ("python3.13", "app.handler", zipped("app.py", PYTHON.as_bytes())?),
            Kind::Node => ("nodejs22.x", "app.handler", zipped("app.js", NODE.as_bytes())?),
            Kind::Static => {
                let program = std::fs::read(self.program().await?).map_err(|e| e.to_string())?;
                ("provided.al2023", "bootstrap", zipped("bootstrap", &program)?)
            }
        };
        self.create(kind, (runtime, handler, zip), environment).await
    }

    /// Creates a function of a Python text with a `handler`, likewise.
    pub(crate) async fn python(
        &mut self,
        text: &str,
        environment: &[(&str, &str)],
    ) -> Result<String, String> {
        let zip = zipped("app.py", text.as_bytes())?;
        self.create(Kind::Python, ("python3.13", "app.handler", zip), environment).await
    }

    async fn create(
        &mut self,
        kind: Kind,
        (runtime, handler, zip): (&str, &str, Vec<u8>),
        environment: &[(&str, &str)],
    ) -> Result<String, String> {
        self.made += 1;
        let name = format!("bench-{}-{}", kind.label(), self.made);
        let variables: serde_json::Map<String, Value> =
            environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
        let document = json!({
            "FunctionName": name,
            "Runtime": runtime,
            "Handler": handler,
            "Role": "arn:aws:iam::000000000000:role/bench",
            "MemorySize": 512,
            "Timeout": 30,
            "Environment": { "Variables": variables },
            "Code": { "ZipFile": STANDARD.encode(zip) },
        });
        let create = Ask::new(Method::POST, "/2015-03-31/functions", document.to_string());
        self.connection.must(&create.at_service("lambda")).await?;
        let path = format!("/2015-03-31/functions/{name}/configuration");
        let state = Ask::new(Method::GET, path, "").at_service("lambda");
        loop {
            let body = self.connection.must(&state).await?;
            let found: Value = serde_json::from_slice(&body).map_err(|e| e.to_string())?;
            match found["State"].as_str() {
                Some("Active") => return Ok(name),
                Some("Pending") => tokio::time::sleep(Duration::from_millis(5)).await,
                state => return Err(format!("{name} is {state:?}: {found}")),
            }
        }
    }

    /// The time of one invocation, sent to answered.
    pub(crate) async fn invoke(&mut self, name: &str) -> Result<Duration, String> {
        let ask = invocation(name);
        let begun = Instant::now();
        let body = self.connection.must(&ask).await?;
        let taken = begun.elapsed();
        if !body.starts_with(b"{\"hello\"") {
            return Err(format!("{name} answered {}", String::from_utf8_lossy(&body)));
        }
        Ok(taken)
    }

    /// The static program on its own, which serves a runtime API until it is dropped.
    pub(crate) async fn serving(&self, authority: &str) -> Result<Child, String> {
        let mut command = Command::new(self.program().await?);
        command.env("AWS_LAMBDA_RUNTIME_API", authority).kill_on_drop(true);
        command.spawn().map_err(|error| error.to_string())
    }

    /// The static program, which ends at once when it has an argument.
    async fn program(&self) -> Result<PathBuf, String> {
        let (source, program) = (self.folder.path().join("b.c"), self.folder.path().join("b"));
        if !program.exists() {
            std::fs::write(&source, BOOTSTRAP).map_err(|error| error.to_string())?;
            let mut cc = Command::new("cc");
            cc.args(["-Os", "-static", "-s", "-o"]).arg(&program).arg(&source);
            let status = cc.status().await.map_err(|error| format!("cc: {error}"))?;
            if !status.success() {
                return Err("cc failed".to_owned());
            }
        }
        Ok(program)
    }

    /// The peer of a cold start: the bare interpreter starts, runs the handler once, ends.
    pub(crate) async fn bare(&self, kind: Kind, haar: &Path) -> Result<Duration, String> {
        let folder = self.folder.path();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.join(name), text).map_err(|error| error.to_string())
        };
        let mut command = match kind {
            Kind::Python => {
                write("app.py", PYTHON)?;
                let mut command = Command::new(interpreter(haar, "python3.13").await?);
                command.args(["-c", "import app; print(app.handler({}, None))"]);
                command
            }
            Kind::Node => {
                write("app.js", NODE)?;
                let mut command = Command::new(interpreter(haar, "nodejs22.x").await?);
                command.args(["-e", "require('./app.js').handler({}).then(console.log)"]);
                command
            }
            Kind::Static => {
                let mut command = Command::new(self.program().await?);
                command.arg("once");
                command
            }
        };
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
        let begun = Instant::now();
        let status = command.status().await.map_err(|error| error.to_string())?;
        let taken = begun.elapsed();
        if status.success() { Ok(taken) } else { Err(format!("the bare program: {status}")) }
    }
}

/// Invokes a function with a small event.
pub(crate) fn invocation(name: &str) -> Ask {
    let path = format!("/2015-03-31/functions/{name}/invocations");
    Ask::new(Method::POST, path, r#"{"n":1}"#).at_service("lambda")
}

/// The interpreter that haar runs a runtime on.
async fn interpreter(haar: &Path, runtime: &str) -> Result<PathBuf, String> {
    let output = Command::new(haar).args(["runtimes", "--json"]).output().await;
    let output = output.map_err(|error| error.to_string())?;
    let rows: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let row = rows.as_array().into_iter().flatten().find(|row| row["runtime"] == runtime);
    let path = row.and_then(|row| row["interpreter"].as_str());
    path.map(PathBuf::from).ok_or_else(|| format!("no interpreter here for {runtime}"))
}

fn zipped(name: &str, content: &[u8]) -> Result<Vec<u8>, String> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().unix_permissions(0o755);
    let written = zip
        .start_file(name, options)
        .and_then(|()| Ok(zip.write_all(content)?))
        .and_then(|()| zip.finish());
    written.map(Cursor::into_inner).map_err(|error| error.to_string())
}
