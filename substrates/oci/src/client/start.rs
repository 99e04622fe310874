//! Finds the helper that runs, or starts one.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use haar_clock::Clock;
use parking_lot::Mutex;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, socketpair};

use super::OciConfig;
use super::connection::Connection;
use super::known::Known;
use crate::proto::{Failure, PROTOCOL, Request};
use crate::spawnd::socket_address;

/// A helper that is ending is given this long to have done so, in steps.
const TRIES_MAX: u32 = 250;
const RETRY: Duration = Duration::from_millis(20);
/// A helper that runs greets at once, on a crowded machine within seconds.
const GREETING_MAX: Duration = Duration::from_secs(10);
/// A helper that starts first kills what a former one has left, and waits for its lock.
const START_MAX: Duration = Duration::from_secs(20);

/// Connects to the helper that runs, else to a new one.
pub(super) async fn connect(
    config: &OciConfig,
    known: &Arc<Mutex<Known>>,
) -> io::Result<Arc<Connection>> {
    let clock = Clock::system();
    let mut last = Failure::Busy;
    for _ in 0..TRIES_MAX {
        let Ok(socket) = find(config) else { break };
        let keeper = Keeper::of(&socket);
        let connection = Connection::open(socket, known)?;
        let greeting = connection.ask(Request::Hello { protocol: PROTOCOL });
        match clock.timeout(GREETING_MAX, greeting).await {
            Ok(Ok((_, heads))) => return Ok(greeted(connection, heads, known)),
            Ok(Err(Failure::Unsupported(_))) | Err(_) => {
                connection.close();
                return Err(keeper.stands_in_the_way(config));
            }
            // it is ending, or has not yet noticed that its server has
            Ok(Err(failure)) => last = failure,
        }
        connection.close();
        clock.sleep(RETRY).await;
    }
    if let Ok(socket) = find(config) {
        return Err(match last {
            Failure::Busy => io::Error::other(last.into_error(haar_substrate::Verb::List)),
            _ => Keeper::of(&socket).takes_long(config),
        });
    }
    let connection = Connection::open(launch(config)?, known)?;
    match clock.timeout(START_MAX, connection.ask(Request::Hello { protocol: PROTOCOL })).await {
        Ok(Ok((_, heads))) => Ok(greeted(connection, heads, known)),
        Ok(Err(_)) | Err(_) => Err(io::Error::other(format!(
            "the helper process did not start: {} (see {})",
            last_words(config),
            config.state_dir.join(LOG).display()
        ))),
    }
}

/// The helper of a former server.
struct Keeper {
    /// How people may name it.
    process: String,
}

impl Keeper {
    /// Whoever listens behind a socket.
    fn of(socket: &OwnedFd) -> Self {
        let credentials = rustix::net::sockopt::socket_peercred(socket);
        let pid = credentials.map(|credentials| credentials.pid.as_raw_nonzero().to_string());
        Self { process: pid.unwrap_or_else(|_| "unknown".to_owned()) }
    }

    /// It greets nobody because it takes down much, or because it cannot read the greeting.
    fn takes_long(&self, config: &OciConfig) -> io::Error {
        let or_else = self.stands_in_the_way(config);
        io::Error::other(format!("a helper is still ending: try again; or it is {or_else}"))
    }

    /// It cannot be talked to, and another must not touch its sandboxes.
    fn stands_in_the_way(&self, config: &OciConfig) -> io::Error {
        io::Error::other(format!(
            "a helper of another version, or one that stands still (process {process}), keeps the \
             tasks of {dir}. Start the haar that ran them, stop services and tasks, then start this \
             one; or end process {process}, which ends its tasks",
            process = self.process,
            dir = config.state_dir.display(),
        ))
    }
}

/// The helper's greeting brings its directory of kept output in memory.
fn greeted(
    connection: Arc<Connection>,
    heads: Vec<OwnedFd>,
    known: &Mutex<Known>,
) -> Arc<Connection> {
    known.lock().heads = heads.into_iter().next().map(Arc::new);
    connection
}

/// What the helper has to say, for the operator.
const LOG: &str = "spawnd.log";

fn last_words(config: &OciConfig) -> String {
    let log = std::fs::read_to_string(config.state_dir.join(LOG)).unwrap_or_default();
    log.lines().last().unwrap_or("it said nothing").to_owned()
}

fn find(config: &OciConfig) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    let dir = File::open(&config.state_dir)?;
    rustix::net::connect(&socket, &socket_address(&dir)?)?;
    Ok(socket)
}

fn launch(config: &OciConfig) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    rustix::io::ioctl_fionbio(ours.as_fd(), true)?;
    let log = File::options().create(true).append(true).open(config.state_dir.join(LOG))?;
    let child = Command::new(&config.spawnd_exe)
        .arg("spawnd")
        .arg(&config.state_dir)
        .arg(&config.instance)
        .args(&config.ephemeral)
        .env_clear()
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()?;
    reap_in_background(child);
    Ok(ours)
}

/// The helper ends long after, or with, this process; one that ends before must not stay a
/// zombie.
fn reap_in_background(mut child: std::process::Child) {
    let wait = move || drop(child.wait());
    // without the thread there is a zombie at worst
    let _ =
        std::thread::Builder::new().name("spawnd-reaper".into()).stack_size(64 << 10).spawn(wait);
}
