//! Programs on their way into a container, which can hold them up: it may be short of the
//! processor's time, or stop whatever it sees. So nobody waits for them but the reaper, which has
//! others to look after meanwhile, and that not for ever.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::child::{ChildError, Entering};
use super::clone::Child;
use super::crew::Asked;
use super::exec::Session;
use super::helper::Helper;
use super::log;
use super::shell::judge;
use super::unit::Unit;
use crate::proto::{Answer, Failure};
use crate::sys;

/// How long a program may take to begin.
const BEGIN_MAX: Duration = Duration::from_secs(30);

/// So many may be on their way into one container.
pub(super) const JOINING_MAX: usize = 32;

/// Messages that are read at once; and at the end, when there are no more to come.
const MESSAGES_MAX: usize = 8;
const LAST_MESSAGES_MAX: usize = 4_096;

/// A program that was sent into a container.
pub(super) struct Joining {
    /// What is to be answered, and the session's number.
    asked: Asked,
    pub(super) number: u64,
    /// Its name, and where it is to work.
    pub(super) program: String,
    pub(super) cwd: String,
    pub(super) unit: Arc<Unit>,
    pub(super) entering: Entering,
    /// Its process, once that is known; else 0. Who looks at all holds what this must not wait for.
    pid: AtomicU32,
    heard: Mutex<Heard>,
}

/// What is known of it by now.
#[derive(Default)]
struct Heard {
    /// The server's ends of its input and output.
    ours: Vec<OwnedFd>,
    /// Its process.
    child: Option<Child>,
    /// Why it is none.
    refused: Option<Refused>,
    /// Nothing more will be told.
    is_closed: bool,
    /// Nor will there be a process that nobody has told of.
    outside_ended: bool,
    is_settled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Errno(i32),
    /// It did not begin in time.
    Late,
}

/// Who tells something: whoever makes the process, or anybody inside. Only the first is believed
/// when it names a process.
enum Word {
    Made(Child),
    Refused(i32),
    End,
}

impl Joining {
    pub(super) fn new(
        (asked, number): (Asked, u64),
        (program, cwd): (String, String),
        unit: Arc<Unit>,
        (entering, ours): (Entering, Vec<OwnedFd>),
    ) -> Self {
        let heard = Mutex::new(Heard { ours, ..Heard::default() });
        let pid = AtomicU32::new(0);
        Self { asked, number, program, cwd, unit, entering, pid, heard }
    }

    /// Reads what was told.
    fn hear(&self, heard: &mut Heard) {
        let most = if heard.outside_ended { LAST_MESSAGES_MAX } else { MESSAGES_MAX };
        for _ in 0..most {
            match self.next_word() {
                Ok(Word::Made(child)) => {
                    self.pid.store(child.pid, Ordering::SeqCst);
                    heard.child = Some(child);
                }
                Ok(Word::Refused(errno)) => {
                    heard.refused.get_or_insert(Refused::Errno(errno));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Word::End) | Err(_) => {
                    heard.is_closed = true;
                    return;
                }
            }
        }
    }

    fn next_word(&self) -> io::Result<Word> {
        let mut word = [0; 4];
        let (length, sender) = sys::receive_from(&self.entering.told, &mut word)?;
        let value = i32::from_ne_bytes(word);
        Ok(match sender {
            None => Word::End,
            Some(sender) if sender == self.entering.outside.pid && length == word.len() => {
                match u32::try_from(value) {
                    // our own child: the number is its until we have waited for it
                    Ok(pid) => Word::Made(Child { pid, pidfd: sys::pidfd_of(pid)? }),
                    Err(_) => Word::Refused(value.wrapping_neg()),
                }
            }
            Some(_) if (-4_095..0).contains(&value) => Word::Refused(-value),
            Some(_) => Word::Refused(libc::EIO),
        })
    }

    fn failure(&self, refused: Refused) -> Failure {
        match refused {
            Refused::Errno(errno) => {
                let error = io::Error::from_raw_os_error(errno);
                judge(&self.program, &self.cwd, ChildError { stage: "exec", error })
            }
            Refused::Late => Failure::Refused {
                program: self.program.clone(),
                reason: format!("did not begin within {} seconds", BEGIN_MAX.as_secs()),
            },
        }
    }
}

/// Watches a program that was sent into a container, and answers when it is known how it went.
pub(super) fn watch(helper: &Helper, joining: Joining) {
    let joining = Arc::new(joining);
    if let Err(error) = helper.reaper.watch_joining(&joining, BEGIN_MAX) {
        log(&format!("could not watch a program: {error}"));
        give_up(helper, &joining.entering.outside);
        end_strays(helper, &joining.unit);
        let failure = Failure::of("watch a program", &error);
        helper.link.answer(joining.asked.number, Err(failure), &[]);
    }
}

/// Something was told, or its process has ended.
pub(super) fn told(helper: &Helper, token: u64, joining: &Arc<Joining>) {
    let mut heard = joining.heard.lock();
    if heard.is_settled {
        return;
    }
    let had_child = heard.child.is_some();
    joining.hear(&mut heard);
    if let (false, Some(child)) = (had_child, &heard.child) {
        let _ = helper.reaper.hear_of(token, child.pidfd.as_fd());
    }
    let is_over = heard.child.as_ref().is_some_and(has_ended);
    match (&heard.child, heard.refused) {
        (Some(_), None) if heard.is_closed || is_over => begun(helper, token, joining, &mut heard),
        (Some(_), Some(refused)) => failed(helper, token, joining, (&mut heard, refused)),
        (None, _) if heard.outside_ended => {
            let refused = heard.refused.unwrap_or(Refused::Errno(libc::EIO));
            failed(helper, token, joining, (&mut heard, refused));
        }
        // whoever makes the process has yet to tell of it: what others say can wait
        (None, Some(_)) => helper.reaper.hear_no_more(joining.entering.told.as_fd()),
        (None, None) if heard.is_closed => {
            kill(&joining.entering.outside);
            helper.reaper.hear_no_more(joining.entering.told.as_fd());
        }
        (_, None) => {}
    }
}

/// The one that stays outside has ended, and was reaped.
pub(super) fn outside_ended(helper: &Helper, token: u64, joining: &Arc<Joining>) {
    joining.heard.lock().outside_ended = true;
    told(helper, token, joining);
}

/// It has had its time.
pub(super) fn overdue(helper: &Helper, token: u64, joining: &Arc<Joining>) {
    {
        let mut heard = joining.heard.lock();
        if heard.is_settled {
            return;
        }
        heard.refused.get_or_insert(Refused::Late);
        kill(&joining.entering.outside);
    }
    told(helper, token, joining);
}

fn begun(helper: &Helper, token: u64, joining: &Joining, heard: &mut Heard) {
    heard.is_settled = true;
    let Some(child) = heard.child.take() else { return };
    helper.reaper.hear_no_more(child.pidfd.as_fd());
    helper.reaper.forget(token);
    let ours = std::mem::take(&mut heard.ours);
    if helper.link.losses() != joining.asked.losses {
        kill(&child); // who asked for it is gone, and another server knows nothing of it
        helper.reaper.watch_stray(child.pidfd);
        return;
    }
    let session = Arc::new(Session::new(joining.number, child, joining.unit.clone()));
    helper.state.lock().sessions.insert(joining.number, session.clone());
    if let Err(error) = helper.reaper.watch_session(&session) {
        log(&format!("could not watch a program: {error}"));
        helper.state.lock().sessions.remove(&joining.number);
        give_up(helper, &session.child);
        let failure = Failure::of("watch a program", &error);
        helper.link.answer(joining.asked.number, Err(failure), &[]);
        return;
    }
    // this thread hears of ends: none is told before the answer
    let ours: Vec<_> = ours.iter().map(AsFd::as_fd).collect();
    helper.link.answer(joining.asked.number, Ok(Answer::Session), &ours);
    if helper.link.is_down() {
        kill(&session.child); // nobody is there any more who asked for it
    }
}

/// Ends a process whose end nobody is told of.
fn give_up(helper: &Helper, child: &Child) {
    kill(child);
    if let Ok(pidfd) = sys::pidfd_of(child.pid) {
        helper.reaper.watch_stray(pidfd);
    }
}

fn failed(helper: &Helper, token: u64, joining: &Joining, (heard, refused): (&mut Heard, Refused)) {
    heard.is_settled = true;
    heard.ours.clear();
    helper.reaper.forget(token);
    kill(&joining.entering.outside);
    match heard.child.take() {
        Some(child) => {
            helper.reaper.hear_no_more(child.pidfd.as_fd());
            kill(&child);
            helper.reaper.watch_stray(child.pidfd);
        }
        // who tells why it made no process has made none
        None if matches!(heard.refused, Some(Refused::Errno(_))) => {}
        None => end_strays(helper, &joining.unit),
    }
    if helper.link.losses() == joining.asked.losses {
        helper.link.answer(joining.asked.number, Err(joining.failure(refused)), &[]);
    }
}

/// Ends what was made in a container by one that ended before it could tell of it.
fn end_strays(helper: &Helper, unit: &Unit) {
    let space = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let Some(inside) = space(unit.shell.init.pid) else { return };
    let mut known: BTreeSet<u32> = helper.reaper.joining_pids();
    known.extend(helper.state.lock().sessions.values().map(|session| session.child.pid));
    known.insert(unit.shell.init.pid);
    known.extend(unit.life.lock().program.as_ref().map(|program| program.pid));
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if known.contains(&pid) || !is_ours(pid) || space(pid).as_ref() != Some(&inside) {
            continue;
        }
        if let Ok(pidfd) = sys::pidfd_of(pid) {
            let _ = sys::send_signal(pidfd.as_fd(), libc::SIGKILL);
            helper.reaper.watch_stray(pidfd);
        }
    }
}

/// It is a child of this process.
fn is_ours(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let parent = behind_name.split_whitespace().nth(1).and_then(|parent| parent.parse().ok());
    parent == Some(std::process::id())
}

impl Joining {
    /// Its process, once that is known.
    pub(super) fn pid(&self) -> Option<u32> {
        match self.pid.load(Ordering::SeqCst) {
            0 => None,
            pid => Some(pid),
        }
    }
}

fn kill(child: &Child) {
    let _ = sys::send_signal(child.pidfd.as_fd(), libc::SIGKILL);
}

fn has_ended(child: &Child) -> bool {
    let mut polled = [rustix::event::PollFd::new(&child.pidfd, rustix::event::PollFlags::IN)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut polled, Some(&now)).is_ok_and(|count| count > 0)
}
