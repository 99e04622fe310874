//! A program run in a container beside its own: `exec`.

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{Exit, OutputChunk, RunAs, SubstrateError};

/// What to run in a container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExecSpec {
    /// Program and arguments, looked up as the container's own are.
    pub argv: Vec<String>,
    /// Laid over the container's environment.
    pub env: Vec<(String, String)>,
    /// Working directory; the container's where not told.
    pub cwd: Option<String>,
    /// Who it is; the container's user where not told.
    pub user: Option<RunAs>,
    /// A terminal of this size as input, output and error; all it writes is
    /// [`crate::Stdio::Out`] then.
    pub terminal: Option<TerminalSize>,
    /// There is input to come; else it reads end of file at once.
    pub stdin: bool,
}

impl ExecSpec {
    /// Runs a program without input or terminal.
    pub fn new(argv: &[&str]) -> Self {
        Self {
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            env: Vec::new(),
            cwd: None,
            user: None,
            terminal: None,
            stdin: false,
        }
    }
}

/// Size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Letters of a line.
    pub columns: u16,
}

/// A program that runs by [`crate::Substrate::exec`]. When it is dropped, and when the server
/// goes, the program is killed.
#[async_trait]
pub trait Session: Send + Sync {
    /// What it writes, until it has ended and all is read. Can be taken once.
    fn output(&self) -> Option<BoxStream<'static, OutputChunk>>;

    /// Gives it input; waits until it is taken. A program that reads no more is no error.
    async fn write(&self, input: Bytes) -> Result<(), SubstrateError>;

    /// There is no more input.
    async fn close_input(&self);

    /// Its terminal has another size now; nothing without a terminal.
    fn resize(&self, size: TerminalSize);

    /// Sends it a signal.
    async fn signal(&self, signal: i32) -> Result<(), SubstrateError>;

    /// Waits until it has ended.
    async fn wait(&self) -> Result<Exit, SubstrateError>;
}
