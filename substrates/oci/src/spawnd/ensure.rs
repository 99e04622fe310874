//! Makes a sandbox exist: from the pools where they have what is asked for, else from nothing.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Write;
use std::net::{SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use haar_substrate::{ContainerSpec, Lifetime, SandboxId, SandboxSpec, SandboxStatus, Stdio};

use super::compose;
use super::crew::Job;
use super::helper::{Helper, Sandbox, Slot};
use super::mounts::{Shared, detach};
use super::pool::{self, Ready};
use super::reaper::Which;
use super::root::{RootKey, user_of};
use super::serve::{begins, set_filter};
use super::shell::Program;
use super::unit::{Owner, Unit};
use crate::proto::{Carried, Described, Doing, Failure, FromImage, Request};

/// A program that does not read its assignment must not hold up the helper.
const ASSIGNMENT_WAIT: Duration = Duration::from_secs(2);

/// A sandbox under construction. Dropped before it is finished, it takes all down again.
struct Site<'a> {
    helper: &'a Arc<Helper>,
    units: Vec<(String, Arc<Unit>)>,
    fresh: Vec<Arc<Unit>>,
    listeners: Vec<(SocketAddrV4, TcpListener)>,
    outputs: Vec<(String, [OwnedFd; 2])>,
    shared: Shared,
    warm: bool,
    done: bool,
}

/// A sandbox that was made, with what goes to the server once.
pub(super) struct Made {
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) carried: Vec<(Carried, OwnedFd)>,
    /// Programs that nobody watches yet: to be done when the server has its answer.
    pub(super) fresh: Vec<Arc<Unit>>,
}

/// What becomes of what was asked.
pub(super) enum Admitted {
    /// It begins something, and has its turn.
    Begins(Job),
    /// It is done at once.
    Ends(Job),
    /// Nothing is to be done: the answer.
    Known(u64, Result<Made, Failure>),
    /// It waits for a sandbox to be made.
    Later,
}

/// Takes what was asked in the order in which it came: a sandbox that is to be made has its place
/// from now on, so that whoever stops it finds it; so has the start of a container.
pub(super) fn admit(helper: &Helper, job: Job) -> Admitted {
    if let Request::Start { id, container, .. } = &job.request
        && let Some(sandbox) = helper.find(id)
        && let Some(composed) = &sandbox.composed
    {
        composed.beginnings.note(job.asked.number, &container.name);
    }
    let Request::Ensure(spec, _) = &job.request else {
        return if begins(&job.request) { Admitted::Begins(job) } else { Admitted::Ends(job) };
    };
    if let Err(failure) = check(spec) {
        return Admitted::Known(job.asked.number, Err(failure));
    }
    match helper.state.lock().sandboxes.entry(spec.id.clone()) {
        Entry::Vacant(place) => {
            place.insert(Slot::Starting(Vec::new()));
            Admitted::Begins(job)
        }
        Entry::Occupied(mut place) => match place.get_mut() {
            Slot::Starting(later) => {
                later.push(job);
                Admitted::Later
            }
            Slot::There(sandbox) => {
                let sandbox = sandbox.clone();
                let made = Made { sandbox, carried: Vec::new(), fresh: Vec::new() };
                Admitted::Known(job.asked.number, Ok(made))
            }
        },
    }
}

/// Makes the sandbox that has its place, unless who asked for it is gone: `losses` were there when
/// they did. Answers with what is to be done now, too.
pub(super) fn ensure(
    helper: &Arc<Helper>,
    losses: u64,
    spec: &SandboxSpec,
    images: &[Option<FromImage>],
) -> (Result<Made, Failure>, Vec<Job>) {
    let made = if helper.link.losses() != losses {
        Err(Failure::Gone(spec.id.clone()))
    } else if compose::is_composed(spec) {
        compose::make(helper, spec, images)
    } else {
        make(helper, spec)
    };
    let ensured = match made {
        Ok(made) => settle(helper, made),
        Err(failure) => (Err(failure), clear(helper, &spec.id)),
    };
    helper.wanting.notify_all();
    ensured
}

/// Gives a sandbox its place for good, with the filters that were set while it was made. Without
/// one of them it must not run.
fn settle(helper: &Arc<Helper>, made: Made) -> (Result<Made, Failure>, Vec<Job>) {
    let id = made.sandbox.id.clone();
    loop {
        let filters: Vec<_> = {
            let (mut state, mut none) = (helper.state.lock(), Vec::new());
            let later = match state.sandboxes.get_mut(&id) {
                Some(Slot::Starting(later)) => later,
                Some(Slot::There(_)) | None => &mut none,
            };
            let filters = later.extract_if(.., |job| matches!(job.request, Request::Filter { .. }));
            let filters: Vec<_> = filters.collect();
            if filters.is_empty() {
                let later = std::mem::take(later);
                state.sandboxes.insert(id, Slot::There(made.sandbox.clone()));
                return (Ok(made), later);
            }
            filters
        };
        let mut unfiltered = None;
        for Job { asked, request } in filters {
            let Request::Filter { filter, .. } = request else { continue };
            match set_filter(helper, &made.sandbox, filter) {
                Err(failure) if asked.number == 0 => unfiltered = Some(failure),
                answer => helper.link.answer(asked.number, answer, &[]),
            }
        }
        if let Some(failure) = unfiltered {
            unmake(helper, made);
            return (Err(failure), clear(helper, &id));
        }
    }
}

/// Gives up the place of a sandbox that was not made.
fn clear(helper: &Helper, id: &SandboxId) -> Vec<Job> {
    match helper.state.lock().sandboxes.remove(id) {
        Some(Slot::Starting(later)) => later,
        Some(Slot::There(_)) | None => Vec::new(),
    }
}

/// Takes down a sandbox that nobody has heard of.
pub(super) fn unmake(helper: &Arc<Helper>, Made { sandbox, fresh, .. }: Made) {
    let units: Vec<_> = sandbox.units.lock().values().cloned().collect();
    for unit in &units {
        unit.life.lock().owner = None;
        unit.shell.kill();
    }
    if sandbox.composed.is_none() {
        return watch_programs(helper, &fresh);
    }
    compose::watch(helper, &fresh);
    helper.one_more();
    helper.close_sandbox(&sandbox);
    helper.close_unit();
}

fn check(spec: &SandboxSpec) -> Result<(), Failure> {
    let refused =
        |reason: &str| Err(Failure::Refused { program: spec.id.0.clone(), reason: reason.into() });
    let id = &spec.id.0;
    let plain = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '-');
    if id.is_empty() || id.len() > 63 || !id.chars().all(plain) {
        return refused("not a sandbox id");
    }
    if spec.containers.is_empty() && !compose::is_composed(spec) {
        return refused("has no containers");
    }
    Ok(())
}

fn make(helper: &Arc<Helper>, spec: &SandboxSpec) -> Result<Made, Failure> {
    let mut site = Site {
        helper,
        units: Vec::new(),
        fresh: Vec::new(),
        listeners: Vec::new(),
        outputs: Vec::new(),
        shared: Shared::new(),
        warm: false,
        done: false,
    };
    match spec.containers.as_slice() {
        [only] if only.template.is_some() => site.assign(spec, only)?,
        containers => {
            for container in containers {
                site.start(spec, container)?;
            }
        }
    }
    site.finish(spec)
}

impl Site<'_> {
    /// Gives its work to an interpreter that waits, or to one made on the spot.
    fn assign(&mut self, spec: &SandboxSpec, container: &ContainerSpec) -> Result<(), Failure> {
        let Some(template) = &container.template else { return Ok(()) };
        let taken = self.helper.state.lock().pool.take_ready(template);
        self.warm = taken.is_some();
        let ready = match taken {
            Some(ready) => ready,
            None => pool::make_ready(self.helper, template)?,
        };
        let Ready { unit, listeners, stdout, stderr, assign } = ready;
        self.claim(spec, container, &unit);
        self.listeners = listeners;
        let missing: Vec<_> = spec
            .listen
            .iter()
            .filter(|address| self.listeners.iter().all(|(open, _)| open != *address))
            .copied()
            .collect();
        self.listeners.extend(unit.shell.listen(&self.helper.shop, &missing)?);
        self.furnish(spec, container, &unit)?;
        unit.cgroup.limit(&spec.limits).doing("set the limits")?;
        self.outputs.push((container.name.clone(), [stdout, stderr]));
        hand_over(assign, container)
    }

    /// Starts a container's program in a shell.
    fn start(&mut self, spec: &SandboxSpec, container: &ContainerSpec) -> Result<(), Failure> {
        let shop = &self.helper.shop;
        let key = RootKey::of_container(container);
        let unit = match self.units.first() {
            Some((_, first)) => pool::join_shell(self.helper, &key, first)?,
            None => {
                let taken = match spec.containers.len() {
                    1 => self.helper.state.lock().pool.take_shell(&key),
                    _ => None,
                };
                match taken {
                    Some(unit) => unit,
                    None => pool::make_shell(self.helper, &key)?,
                }
            }
        };
        let first = self.units.is_empty();
        self.claim(spec, container, &unit);
        if first {
            unit.cgroup.limit(&spec.limits).doing("set the limits")?;
            self.listeners = unit.shell.listen(shop, &spec.listen)?;
        }
        self.furnish(spec, container, &unit)?;
        let program = Program {
            argv: &container.argv,
            env: &container.env,
            cwd: &container.cwd,
            limits: &spec.limits,
            assigned: container.assignment.is_some(),
        };
        let started = unit.shell.start(shop, &unit.cgroup, &program)?;
        unit.life.lock().program = Some(started.child);
        self.fresh.push(unit);
        self.outputs.push((container.name.clone(), [started.stdout, started.stderr]));
        hand_over(started.assign, container)
    }

    fn claim(&mut self, spec: &SandboxSpec, container: &ContainerSpec, unit: &Arc<Unit>) {
        let ContainerSpec { name, attempt, .. } = container;
        let owner = Owner { id: spec.id.clone(), container: name.clone(), attempt: *attempt };
        let mut life = unit.life.lock();
        life.owner = Some(owner);
        life.started_at = self.helper.reaper.clock.now();
        self.units.push((name.clone(), unit.clone()));
    }

    fn furnish(
        &mut self,
        spec: &SandboxSpec,
        container: &ContainerSpec,
        unit: &Arc<Unit>,
    ) -> Result<(), Failure> {
        let user = container
            .template
            .as_ref()
            .map_or_else(|| user_of(container), |template| template.user);
        let mounts: Result<Vec<_>, _> = container
            .mounts
            .iter()
            .map(|mount| detach(&self.helper.shop, &mut self.shared, mount, user))
            .collect();
        unit.shell.furnish(&self.helper.shop, &mounts?, &spec.hostname)
    }

    fn finish(mut self, spec: &SandboxSpec) -> Result<Made, Failure> {
        self.done = true;
        let mut carried = Vec::new();
        for (address, listener) in self.listeners.drain(..) {
            carried.push((Carried::Listener(address), listener.into()));
        }
        for (container, [stdout, stderr]) in self.outputs.drain(..) {
            if spec.lifetime == Lifetime::Own {
                let unit = self.units.iter().find(|(name, _)| *name == container);
                if let Some((_, unit)) = unit {
                    let both = stdout.try_clone().and_then(|out| Ok([out, stderr.try_clone()?]));
                    *unit.outputs.lock() = both.ok();
                }
            }
            let name = container.clone();
            carried.push((Carried::Output { container: name, stream: Stdio::Out }, stdout));
            carried.push((Carried::Output { container, stream: Stdio::Err }, stderr));
        }
        let units: BTreeMap<_, _> = self.units.drain(..).collect();
        let group = units.values().next().map(|unit| unit.cgroup.clone());
        let Some(cgroup) = group else { return Err(Failure::Failed("no containers".into())) };
        let sandbox = Sandbox {
            id: spec.id.clone(),
            labels: spec.labels.clone(),
            lifetime: spec.lifetime,
            warm: self.warm,
            cgroup,
            units: parking_lot::Mutex::new(units),
            composed: None,
            removal: parking_lot::Mutex::new(None),
        };
        let fresh = std::mem::take(&mut self.fresh);
        Ok(Made { sandbox: Arc::new(sandbox), carried, fresh })
    }
}

impl Drop for Site<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        for (_, unit) in &self.units {
            unit.life.lock().owner = None;
            unit.shell.kill();
        }
        watch_programs(self.helper, &self.fresh);
    }
}

/// From now on the ends of these programs are told.
pub(super) fn watch_programs(helper: &Arc<Helper>, units: &[Arc<Unit>]) {
    for unit in units {
        if let Err(error) = helper.reaper.watch(unit, Which::Program) {
            super::log(&format!("could not watch a program: {error}"));
            unit.shell.kill();
        }
    }
}

fn hand_over(assign: Option<UnixStream>, container: &ContainerSpec) -> Result<(), Failure> {
    let (Some(mut stream), Some(assignment)) = (assign, &container.assignment) else {
        return Ok(());
    };
    stream.set_write_timeout(Some(ASSIGNMENT_WAIT)).doing("hand over the assignment")?;
    match stream.write_all(assignment) {
        // a program that has ended already is told as such
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.doing("hand over the assignment"),
    }
}

/// The sandbox as the server needs to know it.
pub(super) fn describe(sandbox: &Sandbox, carried: Vec<Carried>) -> Described {
    let units = sandbox.units.lock();
    let states = units.iter().map(|(name, unit)| (name.clone(), unit.status()));
    let groups = units.iter().filter(|(_, unit)| unit.own.is_some());
    let groups = groups.map(|(name, unit)| (name.clone(), unit.cgroup.name.clone()));
    let composed = sandbox.composed.as_ref();
    let books = composed.map(|composed| composed.books()).unwrap_or_default();
    Described {
        hostname: composed.map(|composed| composed.hostname.clone()).unwrap_or_default(),
        interface: composed.and_then(|composed| composed.network.interface.clone()),
        groups: groups.collect(),
        written: books.iter().map(|book| book.written()).collect(),
        status: SandboxStatus {
            id: sandbox.id.clone(),
            labels: sandbox.labels.clone(),
            containers: states.collect(),
            network: composed.and_then(|composed| composed.network.status.clone()),
            warm: sandbox.warm,
        },
        lifetime: sandbox.lifetime,
        cgroup: sandbox.cgroup.name.clone(),
        carried,
    }
}
