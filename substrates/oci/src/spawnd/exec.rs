//! Programs that are run in a container beside its own, and their terminals.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

use haar_substrate::{ExecSpec, RunAs, SandboxId, TerminalSize, User};
use rustix::fs::{Gid, Mode, OFlags, ResolveFlags, Uid, fstatfs, openat2};

use super::child::{self, ProgramPlan};
use super::clone::Child;
use super::compose::refuse_frozen;
use super::container::program;
use super::crew::Asked;
use super::helper::Helper;
use super::joining::{self, JOINING_MAX, Joining};
use super::shell::{judge, output};
use super::unit::{Context, Unit};
use super::users;
use crate::proto::{Doing, Failure};
use crate::sys;

/// What a file system of terminals says it is.
const DEVPTS_MAGIC: i64 = 0x1cd1;
/// The group of terminals.
const TERMINALS: u32 = 5;
const TIOCGPTPEER: libc::Ioctl = 0x5441;

/// A program that runs for the server.
pub(super) struct Session {
    pub(super) number: u64,
    pub(super) child: Child,
    /// What it runs in.
    _unit: Arc<Unit>,
}

impl Session {
    pub(super) fn new(number: u64, child: Child, unit: Arc<Unit>) -> Self {
        Self { number, child, _unit: unit }
    }
}

/// Starts a program. The answer comes when it has begun, with the descriptors for the server:
/// input, output and error, or the terminal.
pub(super) fn start(
    helper: &Arc<Helper>,
    unit: Arc<Unit>,
    (asked, number, id): (Asked, u64, &SandboxId),
    spec: &ExecSpec,
) -> Result<(), Failure> {
    let own = unit.own.as_ref().ok_or_else(|| {
        Failure::Unsupported("programs run only in containers of images".to_owned())
    })?;
    if unit.life.lock().exit.is_some() {
        return Err(Failure::Gone(id.clone()));
    }
    let name = spec.argv.first().cloned().unwrap_or_default();
    refuse_frozen(&unit.cgroup, &name)?;
    if helper.reaper.joining_count(&unit) >= JOINING_MAX {
        let reason = "too many programs are being started in its container".to_owned();
        return Err(Failure::Refused { program: name, reason });
    }
    let shop = &helper.shop;
    let root: OwnedFd = unit
        .shell
        .inside(shop, libc::CLONE_NEWNS, || File::open("/").doing("open the container's root"))?
        .into();
    let context = context(&own.context, spec, &root)?;
    let (stdio, ours) = match spec.terminal {
        Some(size) => terminal(&root, size, &context).doing("make a terminal")?,
        None => pipes(&shop.null, spec.stdin, &context)?,
    };
    let mut program = program(shop, &context, &spec.argv, &stdio)?;
    program.terminal = spec.terminal.is_some();
    let entries = unit.cgroup.entries_by_file().doing("open the control groups")?;
    let users = context.owners.as_ref().map(|owners| owners.namespace());
    let init = unit.shell.init.pidfd.as_fd();
    let plan = ProgramPlan { init, users, entries: &entries, program };
    let entering = child::join_program(&plan).map_err(|error| judge(&name, &context.cwd, error))?;
    let what = (name, context.cwd.clone());
    let joining = Joining::new((asked, number), what, unit.clone(), (entering, ours));
    joining::watch(helper, joining);
    Ok(())
}

fn context(own: &Context, spec: &ExecSpec, root: &OwnedFd) -> Result<Context, Failure> {
    let mut context = own.clone();
    match &spec.user {
        None | Some(RunAs::Image) => {}
        Some(RunAs::Named(name)) => context.identity = users::find(root, name)?,
        Some(RunAs::Ids(User { uid, gid })) => {
            context.identity = users::find(root, &format!("{uid}:{gid}"))?;
        }
    }
    for (name, value) in &spec.env {
        match context.env.iter_mut().find(|(known, _)| known == name) {
            Some(pair) => pair.1.clone_from(value),
            None => context.env.push((name.clone(), value.clone())),
        }
    }
    if spec.terminal.is_some() && !context.env.iter().any(|(name, _)| name == "TERM") {
        context.env.push(("TERM".to_owned(), "xterm".to_owned()));
    }
    if let Some(cwd) = &spec.cwd {
        context.cwd.clone_from(cwd);
    }
    Ok(context)
}

/// Ends for the program, and ours.
type Ends = ([OwnedFd; 3], Vec<OwnedFd>);

fn pipes(null: &OwnedFd, input: bool, context: &Context) -> Result<Ends, Failure> {
    let (stdout, out) = output()?;
    let (stderr, err) = output()?;
    for end in [&out, &err] {
        give(end, context, context.identity.user.gid).doing("give the output to the user")?;
    }
    let mut ours = vec![stdout, stderr];
    let stdin = match input {
        true => {
            let (theirs, own) =
                rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).doing("make a pipe")?;
            ours.push(own);
            sys::dup_high(theirs).doing("make a pipe")?
        }
        false => sys::dup_high(null).doing("copy a descriptor")?,
    };
    Ok(([stdin, out, err], ours))
}

/// Makes a terminal of the container's own.
fn terminal(root: &OwnedFd, size: TerminalSize, context: &Context) -> io::Result<Ends> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let master = openat2(root, "dev/pts/ptmx", flags, Mode::empty(), inside)?;
    if fstatfs(&master)?.f_type as i64 != DEVPTS_MAGIC {
        return Err(io::Error::other("the container's terminals are not the kernel's"));
    }
    open_terminal(master, size, context)
}

/// Lets a container's user open anew what it was given: programs open `/dev/stdout`.
pub(super) fn give(end: &OwnedFd, context: &Context, gid: u32) -> io::Result<()> {
    let uid = Uid::from_raw(context.outside(context.identity.user.uid));
    let gid = Gid::from_raw(context.outside(gid));
    Ok(rustix::fs::fchown(end, Some(uid), Some(gid))?)
}

/// The two sides of a terminal whose one side was opened.
pub(super) fn open_terminal(
    master: OwnedFd,
    size: TerminalSize,
    context: &Context,
) -> io::Result<Ends> {
    let raw = master.as_raw_fd();
    let unlocked: libc::c_int = 0;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the first call reads an int; the second passes none of our memory.
    let slave = unsafe {
        sys::check(libc::ioctl(raw, libc::TIOCSPTLCK, &raw const unlocked).into())?;
        sys::own(libc::ioctl(raw, TIOCGPTPEER, flags).into())?
    };
    sys::set_terminal_size(&master, size)?;
    give(&slave, context, TERMINALS)?;
    let high = || sys::dup_high(&slave);
    Ok(([high()?, high()?, high()?], vec![master]))
}
