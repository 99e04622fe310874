//! The helper process.
//!
//! Threads: workers, which receive requests from the server and do them; the reaper, which hears
//! of every end; the closer, which takes down what is slow to take down; the filler, which
//! keeps the pools full; and the main one, which accepts the next server. All of them last as
//! long as the process: a child dies with the thread that made it. The sweeper alone, which removes
//! what former helpers have left, makes none and ends.

mod beginnings;
mod bridge;
mod capability;
mod child;
mod clone;
mod closer;
mod compose;
mod container;
mod crew;
mod dns;
mod ensure;
mod exec;
mod filters;
mod helper;
mod homes;
mod init;
mod joining;
mod kits;
mod laid;
pub(crate) mod leftovers;
mod link;
mod lives;
mod message;
mod mounts;
mod net;
mod netlink;
pub(crate) mod nft;
mod overlay;
pub(crate) mod owners;
mod patience;
mod pool;
mod reaper;
mod rlimit;
mod root;
mod rootfs;
mod rules;
mod scratch;
mod scribe;
mod seccomp;
mod serve;
mod shell;
mod stopping;
mod sysctl;
mod tiny;
mod unit;
mod users;
mod vigil;
mod volumes;

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::cgroup::{Cgroup, Cgroups};
use crate::sys;
use helper::Helper;

/// Name of the socket in the state directory.
pub(crate) const SOCKET: &str = "spawnd.sock";
/// Held locked while a helper lives.
const LOCK: &str = "spawnd.lock";

/// Runs the helper process: `haar spawnd STATE_DIR INSTANCE [EPHEMERAL_DIR]`, with its first
/// server's socket as standard input. Must be called before the process has a second thread.
pub fn spawnd_main(mut args: impl Iterator<Item = String>) -> ExitCode {
    let (Some(state_dir), Some(instance)) = (args.next(), args.next()) else {
        return ExitCode::from(2);
    };
    match run(&PathBuf::from(state_dir), &instance, args.next().map(PathBuf::from)) {
        Ok(never) => match never {},
        Err(error) => {
            log(&format!("could not start: {error}"));
            ExitCode::FAILURE
        }
    }
}

pub(crate) use bridge::{bridge_name, tag as interface_tag};

/// Writes a line for the operator; a log that is gone is no reason to end.
pub(crate) fn log(line: &str) {
    let _ = writeln!(io::stderr(), "spawnd: {line}");
}

enum Never {}

fn run(state_dir: &Path, instance: &str, ephemeral: Option<PathBuf>) -> io::Result<Never> {
    let first = sys::dup_high(io::stdin())?;
    become_helper(&first)?;
    let lock = File::create(state_dir.join(LOCK))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
    let cgroups = Cgroups::detect(instance);
    // first of all, so that nobody takes us for one that lives no more
    let _life = lives::claim(instance);
    let left = leftovers::kill(&cgroups);
    cgroups.set_up()?;

    sys::unshare(libc::CLONE_NEWNS)?;
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", slave)?;
    let base = state_dir.join("roots");
    fs::create_dir_all(&base)?;
    let roots = root::Roots::new(&base)?;
    let scratch = scratch::Scratches::new(&state_dir.join("scratch"), &base)?;
    let places = shell::Places::new(state_dir, &base)?;
    let networks = bridge::Networks::new(instance)?;
    networks.tear_down();
    let shop = shell::Workshop::new((cgroups, networks), (roots, scratch), places)?;

    let listener = listen(state_dir)?;
    let helper = Arc::new(Helper::new(shop, state_dir.join(SOCKET), ephemeral)?);
    helper.reaper.keep_vigil(vigil::Vigil::new(state_dir, &lock)?)?;
    helper.link.connect(first);
    serve::start_threads(&helper)?;
    sweep(&helper, left, instance);
    // keeps the lock until the end
    let _lock = lock;
    loop {
        let flags = SocketFlags::CLOEXEC;
        match rustix::net::accept_with(&listener, flags) {
            Ok(socket) => serve::accept(&helper, socket),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Removes what former helpers have left, which nobody waits for: it has been killed, and no new
/// control group has the name of one of theirs.
fn sweep(helper: &Arc<Helper>, left: Vec<Cgroup>, own: &str) {
    let (of_thread, own) = (helper.clone(), own.to_owned());
    helper.one_more(); // it does not end before
    let work = move || {
        leftovers::remove_killed(&left);
        lives::sweep(&own);
        of_thread.close_unit();
    };
    if let Err(error) = thread::Builder::new().name("sweeper".to_owned()).spawn(work) {
        log(&format!("could not sweep: {error}"));
        helper.one_less();
    }
}

/// Leaves the server's session, and keeps others from looking in.
fn become_helper(first: &OwnedFd) -> io::Result<()> {
    sys::close_all_but(&[0, 1, 2, first.as_raw_fd()])?;
    let null = File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    let _ = rustix::process::setsid();
    sys::prctl(libc::PR_SET_DUMPABLE, 0)?;
    let _ = rustix::thread::disable_transparent_huge_pages(false); // what the server is spared
    sys::raise_open_files();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    std::env::set_current_dir("/")
}

/// Binds the socket by way of its directory's descriptor: its path may be longer than a socket
/// address can be.
fn listen(state_dir: &Path) -> io::Result<OwnedFd> {
    let _ = fs::remove_file(state_dir.join(SOCKET));
    let dir = File::open(state_dir)?;
    let address = socket_address(&dir)?;
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, 8)?;
    Ok(socket)
}

/// The socket's address through an open state directory.
pub(crate) fn socket_address(dir: impl AsFd) -> io::Result<SocketAddrUnix> {
    let fd = std::os::fd::AsRawFd::as_raw_fd(&dir.as_fd());
    Ok(SocketAddrUnix::new(format!("/proc/self/fd/{fd}/{SOCKET}"))?)
}
