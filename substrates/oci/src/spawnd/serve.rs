//! The threads, and what each request does.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use haar_substrate::{ExecSpec, Filter, Limits, SandboxId, SandboxSpec};

use super::crew::{Asked, Job, Turn};
use super::ensure::{self, Admitted, Made};
use super::helper::{Helper, Removal, Sandbox, Slot};
use super::reaper::Due;
use super::stopping;
use super::unit::Unit;
use super::{closer, compose, exec, log, pool};
use crate::proto::{
    Answer, Carried, Doing, Failure, FromImage, PROTOCOL, Request, Scarce, ToServer,
};
use crate::socket::{self, Received, Receiver};
use crate::sys;

/// Starts every thread but the main one.
pub(super) fn start_threads(helper: &Arc<Helper>) -> io::Result<()> {
    hire(helper)?;
    start(helper, "filler", pool::fill)?;
    start(helper, "reaper", |helper| helper.reaper.run(helper))?;
    start(helper, "scribe", |helper| helper.scribe.run(helper))?;
    start(helper, "closer", |helper| {
        if let Some(mailbox) = helper.take_mailbox() {
            closer::run(helper, &mailbox);
        }
    })
}

/// Starts what the crew lacks.
fn hire(helper: &Arc<Helper>) -> io::Result<()> {
    let lack = helper.crew.lack();
    for number in lack.clone() {
        start(helper, &format!("worker-{number}"), work)
            .inspect_err(|_| helper.crew.did_not_come(lack.end - number))?;
    }
    Ok(())
}

/// Does what was taken up and may take long, while others work.
pub(super) fn step_aside<T>(helper: &Arc<Helper>, work: impl FnOnce() -> T) -> T {
    let hire = || {
        if let Err(error) = hire(helper) {
            log(&format!("could not start a thread: {error}"));
        }
    };
    helper.crew.step_aside(hire, work)
}

fn start(helper: &Arc<Helper>, name: &str, run: fn(&Arc<Helper>)) -> io::Result<()> {
    let helper = helper.clone();
    let own = move || {
        // a root and working directory of its own, to be able to enter mount namespaces
        if let Err(error) = sys::unshare(libc::CLONE_FS) {
            log(&format!("could not unshare a thread: {error}"));
            std::process::abort();
        }
        run(&helper);
    };
    thread::Builder::new().name(name.to_owned()).spawn(own).map(drop)
}

/// Takes a new server, or tells it that there is one.
pub(super) fn accept(helper: &Arc<Helper>, socket: OwnedFd) {
    let spare = socket.try_clone();
    if let (Some(false), Ok(spare)) = (helper.accept(socket), spare) {
        let _ = socket::send(&spare, 0, &ToServer::Answer(0, Err(Failure::Busy)), &[]);
    }
}

fn work(helper: &Arc<Helper>) {
    let mut receiver = Receiver::new();
    loop {
        match helper.crew.next() {
            Turn::Receive => receive(helper, &mut receiver),
            Turn::Work(job) => begin(helper, *job),
        }
    }
}

fn receive(helper: &Arc<Helper>, receiver: &mut Receiver) {
    let (socket, losses) = helper.link.wait();
    match receiver.receive::<(u64, Request)>(socket.as_fd()) {
        Ok(Some(Received { message: Some((number, request)), .. })) => {
            let job = Job { asked: Asked { number, losses }, request };
            // before another receives: what comes next may be about what this makes
            match ensure::admit(helper, job) {
                Admitted::Begins(job) => {
                    if let Some(job) = helper.crew.take_up(job) {
                        begin(helper, job);
                    }
                }
                other => {
                    helper.crew.received();
                    perform_admitted(helper, other);
                }
            }
        }
        Ok(Some(Received { about, message: None, .. })) => {
            helper.crew.received();
            helper.link.answer(about, Err(Failure::Exhausted(Scarce::Processes)), &[]);
        }
        gone => {
            if let Err(error) = gone {
                log(&format!("could not receive: {error}"));
            }
            if helper.link.lost(&socket) {
                helper.server_gone();
            }
            helper.crew.received();
        }
    }
}

/// It makes something, or changes what runs: that may take a while.
pub(super) fn begins(request: &Request) -> bool {
    !matches!(
        request,
        Request::Hello { .. }
            | Request::List
            | Request::Stop { .. }
            | Request::Remove { .. }
            | Request::Signal { .. }
            | Request::SignalSession { .. }
    )
}

fn begin(helper: &Arc<Helper>, job: Job) {
    // nothing begins for a server that is gone; a sandbox's place is then given up
    let is_wanted = helper.link.losses() == job.asked.losses;
    if is_wanted || matches!(job.request, Request::Ensure(..)) {
        perform(helper, job);
    } else if let Request::Start { id, container, .. } = &job.request
        && let Some(sandbox) = helper.find(id)
    {
        stopping::begun(helper, job.asked.number, (&sandbox, &container.name), None);
    }
    helper.crew.done();
}

fn perform_admitted(helper: &Arc<Helper>, admitted: Admitted) {
    match admitted {
        Admitted::Begins(job) => helper.crew.put_off(job),
        Admitted::Ends(job) => perform(helper, job),
        Admitted::Known(number, Ok(made)) => answer_made(helper, number, made),
        Admitted::Known(number, Err(failure)) => helper.link.answer(number, Err(failure), &[]),
        Admitted::Later => {}
    }
}

/// Does what waited for a sandbox to be made.
fn perform_later(helper: &Arc<Helper>, later: Vec<Job>) {
    for job in later {
        perform_admitted(helper, ensure::admit(helper, job));
    }
}

/// The one sandbox that a request is about, where it has to be there.
fn about(request: &Request) -> Option<&SandboxId> {
    match request {
        Request::Start { id, .. }
        | Request::Stop { id, .. }
        | Request::Remove { id, .. }
        | Request::Adopt { id }
        | Request::Output { id, .. }
        | Request::Socket { id }
        | Request::Signal { id, .. }
        | Request::Exec { id, .. }
        | Request::Filter { id, .. }
        | Request::Resize { id, .. } => Some(id),
        Request::Hello { .. }
        | Request::Ensure(..)
        | Request::List
        | Request::SignalSession { .. }
        | Request::Filters(_)
        | Request::Prepare(_) => None,
    }
}

fn perform(helper: &Arc<Helper>, job: Job) {
    let id = about(&job.request).cloned();
    let Some(Job { asked, request }) = helper.unless_starting(id.as_ref(), job) else {
        return;
    };
    let number = asked.number;
    let answer = match request {
        Request::Ensure(spec, images) => return ensure_made(helper, asked, &spec, &images),
        Request::Start { id, container, image } => {
            let Some(sandbox) = helper.find(&id) else {
                return helper.link.answer(number, Err(Failure::Gone(id)), &[]);
            };
            let made = compose::start(helper, number, &sandbox, (&container, image.as_ref()));
            let unit = made.as_ref().ok().and_then(|made| made.fresh.first().cloned());
            match made {
                Ok(made) => answer_made(helper, number, made),
                Err(failure) => helper.link.answer(number, Err(failure), &[]),
            }
            return stopping::begun(helper, number, (&sandbox, &container.name), unit.as_ref());
        }
        Request::Stop { id, container, grace } => {
            return stopping::stop(helper, asked, &id, (&container, grace));
        }
        Request::Remove { id, grace } => match remove(helper, asked, &id, grace) {
            true => return,
            false => Ok(Answer::Done),
        },
        Request::Output { id, container } => {
            return output(helper, number, &id, &container);
        }
        Request::Socket { id } => return socket_inside(helper, number, &id),
        Request::Exec { session, id, container, exec: spec } => {
            return run(helper, asked, (session, &id, &container), &spec);
        }
        Request::SignalSession { session, signal } => signal_session(helper, session, signal),
        Request::Filter { id, filter } => {
            find(helper, &id).and_then(|sandbox| set_filter(helper, &sandbox, filter))
        }
        Request::Filters(filters) => set_filters(helper, asked, filters),
        Request::Adopt { id } => match adopt(helper, &id) {
            Ok(made) => return answer_made(helper, number, made),
            Err(failure) => Err(failure),
        },
        Request::Hello { protocol } if protocol == PROTOCOL => {
            let heads = helper.shop.places.heads_dir.as_fd();
            return helper.link.answer(number, Ok(Answer::Hello), &[heads]);
        }
        Request::Hello { .. } if helper.keeps_nothing() => return helper.link.close(),
        Request::Hello { .. } => {
            let why = "a helper of another version still runs; it ends when its sandboxes have";
            Err(Failure::Unsupported(why.into()))
        }
        Request::List => Ok(list(helper)),
        Request::Signal { id, container, signal } => send_signal(helper, &id, &container, signal),
        Request::Resize { id, limits } => resize(helper, &id, &limits),
        Request::Prepare(wanted) => {
            let dropped = helper.state.lock().pool.want(wanted);
            dropped.iter().for_each(|unit| unit.shell.kill());
            helper.wanting.notify_all();
            Ok(Answer::Done)
        }
    };
    helper.link.answer(number, answer, &[]);
}

fn ensure_made(
    helper: &Arc<Helper>,
    Asked { number, losses }: Asked,
    spec: &SandboxSpec,
    images: &[Option<FromImage>],
) {
    let copies = images.iter().flatten().any(|image| !image.volumes.is_empty());
    let work = || ensure::ensure(helper, losses, spec, images);
    let (made, later) = if copies { step_aside(helper, work) } else { work() };
    match made {
        Ok(made) => {
            let sandbox = made.sandbox.clone();
            answer_made(helper, number, made);
            helper.start_over(Some(&sandbox), losses);
        }
        Err(failure) => {
            helper.link.answer(number, Err(failure), &[]);
            helper.start_over(None, losses);
        }
    }
    perform_later(helper, later);
}

fn answer_made(helper: &Arc<Helper>, number: u64, made: Made) {
    let Made { sandbox, carried, fresh } = made;
    let (kinds, fds): (Vec<Carried>, Vec<OwnedFd>) = carried.into_iter().unzip();
    let described = ensure::describe(&sandbox, kinds);
    let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    helper.link.answer(number, Ok(Answer::Sandbox(Box::new(described))), &fds);
    match sandbox.composed.is_some() {
        true => compose::watch(helper, &fresh),
        false => ensure::watch_programs(helper, &fresh),
    }
    if helper.link.is_down() {
        helper.server_gone(); // it went while this was made
    }
}

/// What a former server had of a sandbox.
fn adopt(helper: &Helper, id: &SandboxId) -> Result<Made, Failure> {
    let sandbox = find(helper, id)?;
    let carried = match &sandbox.composed {
        Some(composed) => composed.network.carried()?,
        None => Vec::new(),
    };
    Ok(Made { sandbox, carried, fresh: Vec::new() })
}

fn find(helper: &Helper, id: &SandboxId) -> Result<Arc<Sandbox>, Failure> {
    helper.find(id).ok_or_else(|| Failure::Gone(id.clone()))
}

/// False when there is nothing to remove; else the answer comes when it is gone.
fn remove(helper: &Arc<Helper>, asked: Asked, id: &SandboxId, grace: Duration) -> bool {
    let sandbox = match helper.await_removal(id, (asked, grace)) {
        Some(Removal::Of(sandbox)) => sandbox,
        Some(Removal::Later) => return true,
        None => return false,
    };
    if grace.is_zero() {
        helper.kill(id);
    } else {
        let units: Vec<_> = sandbox.units.lock().values().cloned().collect();
        let alive: Vec<_> = units.iter().filter(|unit| !unit.life.lock().gone).collect();
        for unit in &alive {
            let _ = unit.signal(unit.stop_signal());
            let _ = unit.cgroup.freeze(false);
        }
        // a start that is under way is seen to by whoever starts
        let _ = sandbox.cgroup.freeze(false);
        if !alive.is_empty() {
            helper.reaper.kill_after(Due::Sandbox(id.clone()), grace);
        }
    }
    helper.finish_removal(id);
    true
}

fn output(helper: &Arc<Helper>, number: u64, id: &SandboxId, container: &str) {
    let both = find(helper, id).and_then(|sandbox| {
        let unit = unit_of(&sandbox, container)?;
        let outputs = unit.outputs.lock();
        let [out, err] = outputs.as_ref().ok_or_else(|| Failure::Gone(id.clone()))?;
        let both = out.try_clone().and_then(|out| Ok([out, err.try_clone()?]));
        both.doing("copy a descriptor")
    });
    match both {
        Ok([out, err]) => {
            helper.link.answer(number, Ok(Answer::Output), &[out.as_fd(), err.as_fd()]);
        }
        Err(failure) => helper.link.answer(number, Err(failure), &[]),
    }
}

/// Its server connects it, so that nobody here waits for a program.
fn socket_inside(helper: &Arc<Helper>, number: u64, id: &SandboxId) {
    let made = find(helper, id).and_then(|sandbox| {
        if let Some(composed) = &sandbox.composed {
            return composed.network.socket(&helper.shop.home);
        }
        let unit = sandbox.units.lock().values().next().cloned();
        let unit = unit.ok_or_else(|| Failure::Gone(id.clone()))?;
        if unit.life.lock().gone {
            return Err(Failure::Gone(id.clone()));
        }
        unit.shell.socket(&helper.shop)
    });
    match made {
        Ok(socket) => helper.link.answer(number, Ok(Answer::Socket), &[socket.as_fd()]),
        Err(failure) => helper.link.answer(number, Err(failure), &[]),
    }
}

fn run(
    helper: &Arc<Helper>,
    asked: Asked,
    (session, id, container): (u64, &SandboxId, &str),
    spec: &ExecSpec,
) {
    let unit = find(helper, id).and_then(|sandbox| unit_of(&sandbox, container));
    if let Err(failure) =
        unit.and_then(|unit| exec::start(helper, unit, (asked, session, id), spec))
    {
        helper.link.answer(asked.number, Err(failure), &[]);
    }
}

/// One that has ended needs no signal.
fn signal_session(helper: &Helper, session: u64, signal: i32) -> Result<Answer, Failure> {
    let found = helper.state.lock().sessions.get(&session).cloned();
    if let Some(session) = found {
        sys::send_signal(session.child.pidfd.as_fd(), signal).doing("signal a program")?;
    }
    Ok(Answer::Done)
}

/// Sets who may reach a sandbox and whom it may reach.
pub(super) fn set_filter(
    helper: &Helper,
    sandbox: &Sandbox,
    filter: Option<Filter>,
) -> Result<Answer, Failure> {
    let address = address_of(sandbox)?;
    helper.shop.networks.filters.set([(address, filter)])?;
    Ok(Answer::Done)
}

/// Sandboxes that are gone are passed over.
fn set_filters(
    helper: &Helper,
    Asked { losses, .. }: Asked,
    filters: Vec<(Filter, Vec<SandboxId>)>,
) -> Result<Answer, Failure> {
    let mut wanted = Vec::new();
    for (filter, ids) in filters {
        for id in ids {
            // one that is being made has it when it is, or its start fails
            let request = Request::Filter { id: id.clone(), filter: Some(filter.clone()) };
            let one = Job { asked: Asked { number: 0, losses }, request };
            if helper.unless_starting(Some(&id), one).is_none() {
                continue;
            }
            if let Some(sandbox) = helper.find(&id) {
                wanted.push((address_of(&sandbox)?, Some(filter.clone())));
            }
        }
    }
    helper.shop.networks.filters.set(wanted)?;
    Ok(Answer::Done)
}

fn address_of(sandbox: &Sandbox) -> Result<Ipv4Addr, Failure> {
    let network = sandbox.composed.as_ref().and_then(|own| own.network.status.as_ref());
    let status = network.ok_or_else(|| {
        Failure::Unsupported("this sandbox has no interface to filter".to_owned())
    })?;
    Ok(status.address)
}

fn list(helper: &Helper) -> Answer {
    let state = helper.state.lock();
    let there = state.sandboxes.values().filter_map(|slot| match slot {
        Slot::There(sandbox) => Some(sandbox.clone()),
        Slot::Starting(_) => None,
    });
    let there: Vec<_> = there.collect();
    drop(state);
    // not those that end because their server has gone: nobody asked for that
    let asked =
        |sandbox: &&Arc<Sandbox>| sandbox.removal.lock().as_ref().is_none_or(|by| !by.is_empty());
    let told = there.iter().filter(asked);
    Answer::List(told.map(|sandbox| ensure::describe(sandbox, Vec::new())).collect())
}

fn send_signal(
    helper: &Helper,
    id: &SandboxId,
    container: &str,
    signal: i32,
) -> Result<Answer, Failure> {
    let sandbox = find(helper, id)?;
    let unit = unit_of(&sandbox, container)?;
    unit.signal(signal).doing("signal a program")?;
    Ok(Answer::Done)
}

pub(super) fn unit_of(sandbox: &Sandbox, container: &str) -> Result<Arc<Unit>, Failure> {
    let unit = sandbox.units.lock().get(container).cloned();
    unit.ok_or_else(|| Failure::Gone(sandbox.id.clone()))
}

fn resize(helper: &Helper, id: &SandboxId, limits: &Limits) -> Result<Answer, Failure> {
    let sandbox = find(helper, id)?;
    let done = match &sandbox.composed {
        Some(composed) => composed.resize(&sandbox.cgroup, limits),
        None => sandbox.cgroup.limit(limits),
    };
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Failure::Gone(id.clone())),
        done => done.doing("set the limits").map(|()| Answer::Done),
    }
}
