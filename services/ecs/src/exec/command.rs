//! The command of a session: what it is told, what it says, how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::StreamExt as _;
use haar_datachannel::documents::{self, Flag, Size};
use haar_datachannel::{Heard, Incoming, Line, PAYLOAD_BYTES_MAX, PayloadKind};
use haar_substrate::{
    ExecSpec, Exit, OutputChunk, RunAs, SandboxId, Session, Stdio, SubstrateError, TerminalSize,
    User,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::conversation::Early;
use super::sessions::Offer;
use super::transcript::Transcript;
use crate::Ecs;
use crate::state::sandbox_name;

/// *Developer Guide > ECS Exec > Considerations*: sessions have an idle timeout of 20 minutes.
const IDLE_MAX: Duration = Duration::from_secs(20 * 60);
/// How long the output of a command that has ended may go on. *Ours*.
const DRAIN_MAX: Duration = Duration::from_secs(1);
/// How long a command has to end once its client has gone. *Ours*.
const HANG_UP_MAX: Duration = Duration::from_secs(5);
/// Input that the command has not read; beyond, the client keeps it. *Ours*.
const BACKLOG_MAX: usize = 1 << 20;
const SIGHUP: i32 = 1;
const TERM: &str = "xterm-256color";

/// How a session ended.
pub(super) enum End {
    /// The client is not there any more.
    Gone,
    /// It is over; this is to be told, unless it is empty.
    Told(String),
}

/// A command that runs for a session.
pub(super) struct Running {
    /// As the substrate has it.
    pub(super) command: Arc<dyn Session>,
    /// The client wants to know how it ended.
    pub(super) exit_code: bool,
    /// What the client said before it ran.
    pub(super) early: Early,
}

/// Input for the command.
enum Input {
    Bytes(Bytes),
    End,
}

/// What happens next.
enum Event {
    Came(Incoming),
    Said(Option<OutputChunk>),
    Ended(Result<Exit, SubstrateError>),
    Over,
}

/// Starts the command: as root, whoever the container's own user is (*Developer Guide > ECS
/// Exec > Considerations*).
pub(super) async fn start(
    room: &Ecs,
    offer: &Offer,
    terminal: Option<TerminalSize>,
) -> Result<Arc<dyn Session>, String> {
    let term = terminal.map(|_| ("TERM".to_owned(), TERM.to_owned()));
    let spec = ExecSpec {
        argv: offer.argv.clone(),
        env: term.into_iter().collect(),
        cwd: None,
        user: Some(RunAs::Ids(User { uid: 0, gid: 0 })),
        terminal,
        stdin: true,
    };
    let id = SandboxId(sandbox_name(&offer.task));
    let started = room.doors.substrate.exec(&id, &offer.container, spec).await;
    started.map_err(|error| failure(&error))
}

/// In the agent's words.
fn failure(error: &SubstrateError) -> String {
    let why = match error {
        SubstrateError::Refused { program, reason } if program.contains('/') => {
            format!("fork/exec {program}: {reason}")
        }
        SubstrateError::Refused { program, .. } => {
            format!("exec: \"{program}\": executable file not found in $PATH")
        }
        other => other.to_string(),
    };
    format!("----------ERROR-------\nUnable to start command: Failed to start pty: {why}")
}

/// The size that a payload tells.
pub(super) fn size_of(payload: &[u8]) -> Option<TerminalSize> {
    let size: Size = documents::decode(payload)?;
    let rows = u16::try_from(size.rows).ok().filter(|rows| *rows > 0)?;
    let columns = u16::try_from(size.cols).ok().filter(|columns| *columns > 0)?;
    Some(TerminalSize { rows, columns })
}

impl Running {
    /// Speaks for the command until it or the client has gone.
    pub(super) async fn speak<S>(
        mut self,
        room: &Ecs,
        session: &str,
        offer: &Offer,
        line: &mut Line<S>,
    ) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut transcript = Transcript::new(offer.transcript.clone());
        let end = self.attend(room, line, &mut transcript).await;
        if !matches!(end, Ok(Some(_))) {
            self.hang_up(room).await;
        }
        transcript.keep(room, session, &offer.task.cluster.account).await;
        match end {
            Ok(Some(exit)) => {
                if self.exit_code {
                    let code = documents::encode_exit_code(code_of(exit));
                    line.say(PayloadKind::ExitCode, code);
                }
                End::Told(String::new())
            }
            Ok(None) => End::Told(String::new()),
            Err(end) => end,
        }
    }

    /// Hands over input and output; answers how the command ended, or nothing where the client
    /// asked for the end.
    async fn attend<S>(
        &mut self,
        room: &Ecs,
        line: &mut Line<S>,
        transcript: &mut Transcript,
    ) -> Result<Option<Exit>, End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (clock, command) = (&room.doors.clock, Arc::clone(&self.command));
        let backlog = AtomicUsize::new(0);
        let (input, mut typed) = mpsc::unbounded_channel();
        for (kind, payload) in std::mem::take(&mut self.early) {
            if self.take((kind, payload), &input, &backlog) {
                return Ok(None);
            }
        }
        let mut feeding = std::pin::pin!(feed(&*command, &mut typed, &backlog));
        let mut ending = std::pin::pin!(command.wait());
        let mut output = self.command.output();
        let (mut exit, mut fed) = (None, false);
        let mut deadline = clock.moment().after(IDLE_MAX);
        let mut give_up_at = deadline;
        loop {
            if let (Some(exit), None) = (exit, &output) {
                return Ok(Some(exit));
            }
            let may_read = output.is_some() && line.has_room();
            let event = tokio::select! {
                incoming = line.hear(|| backlog.load(Ordering::Relaxed) < BACKLOG_MAX) => {
                    Event::Came(incoming)
                }
                chunk = next(&mut output), if may_read => Event::Said(chunk),
                ended = &mut ending, if exit.is_none() => Event::Ended(ended),
                () = &mut feeding, if !fed => { fed = true; continue }
                () = clock.sleep_until(deadline) => Event::Over,
            };
            let mut is_alive = false;
            match event {
                Event::Came(Incoming::Heard(heard)) => {
                    for heard in heard {
                        let Heard::Data(kind, payload) = heard else { return Err(End::Gone) };
                        is_alive = true;
                        if self.take((kind, payload), &input, &backlog) {
                            return Ok(None);
                        }
                    }
                }
                Event::Came(Incoming::Text(_)) => {}
                Event::Came(Incoming::Gone) => return Err(End::Gone),
                Event::Said(Some(chunk)) => {
                    is_alive = true;
                    transcript.add(&chunk.bytes);
                    say(line, chunk);
                }
                Event::Said(None) => output = None,
                Event::Ended(Ok(ended)) => {
                    exit = Some(ended);
                    give_up_at = clock.moment().after(IDLE_MAX);
                    deadline = clock.moment().after(DRAIN_MAX);
                }
                Event::Ended(Err(error)) => return Err(End::Told(error.to_string())),
                Event::Over => match exit {
                    // there is more, and the client is slow
                    Some(_) if !line.has_room() && clock.moment() < give_up_at => {
                        deadline = clock.moment().after(DRAIN_MAX);
                    }
                    // others have its output still open; nobody waits for them
                    Some(exit) => return Ok(Some(exit)),
                    None => return Err(End::Told(idle())),
                },
            }
            if is_alive {
                let wait = if exit.is_some() { DRAIN_MAX } else { IDLE_MAX };
                deadline = clock.moment().after(wait);
            }
        }
    }

    /// Takes what the client said; true where it asks for the end.
    fn take(
        &self,
        (kind, payload): (PayloadKind, Bytes),
        input: &mpsc::UnboundedSender<Input>,
        backlog: &AtomicUsize,
    ) -> bool {
        // a command that reads no more lets its input go
        match kind {
            PayloadKind::Output => {
                backlog.fetch_add(payload.len(), Ordering::Relaxed);
                let _ = input.send(Input::Bytes(payload));
            }
            PayloadKind::Size => {
                if let Some(size) = size_of(&payload) {
                    self.command.resize(size);
                }
            }
            PayloadKind::Flag => match Flag::decode(&payload) {
                Some(Flag::TerminateSession) => return true,
                Some(Flag::DisconnectToPort) => drop(input.send(Input::End)),
                None => {}
            },
            _ => {}
        }
        false
    }

    /// Ends the command as a terminal that is taken away does.
    async fn hang_up(&self, room: &Ecs) {
        if let Err(error) = self.command.signal(SIGHUP).await {
            tracing::debug!(%error, "could not hang up on a command");
        }
        // one that stays is killed with its session
        let _ = room.doors.clock.timeout(HANG_UP_MAX, self.command.wait()).await;
    }
}

fn idle() -> String {
    let minutes = IDLE_MAX.as_secs() / 60;
    format!("Session timed out after {minutes} minutes without input or output.")
}

/// As a shell tells it.
fn code_of(exit: Exit) -> i32 {
    exit.code.unwrap_or_else(|| 128 + exit.signal.unwrap_or_default())
}

async fn next(output: &mut Option<BoxStream<'static, OutputChunk>>) -> Option<OutputChunk> {
    match output {
        Some(output) => output.next().await,
        None => None,
    }
}

/// Gives the command its input, at its own pace.
async fn feed(
    command: &dyn Session,
    typed: &mut mpsc::UnboundedReceiver<Input>,
    backlog: &AtomicUsize,
) {
    while let Some(input) = typed.recv().await {
        match input {
            Input::Bytes(bytes) => {
                let count = bytes.len();
                if let Err(error) = command.write(bytes).await {
                    tracing::debug!(%error, "a command takes no input");
                }
                backlog.fetch_sub(count, Ordering::Relaxed);
            }
            Input::End => command.close_input().await,
        }
    }
}

/// Says a piece of output in payloads of AWS's size.
fn say<S>(line: &mut Line<S>, chunk: OutputChunk)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let kind = match chunk.stream {
        Stdio::Out => PayloadKind::Output,
        Stdio::Err => PayloadKind::StdErr,
    };
    let mut rest = chunk.bytes;
    while !rest.is_empty() {
        let piece = rest.split_to(rest.len().min(PAYLOAD_BYTES_MAX));
        line.say(kind, piece);
    }
}
