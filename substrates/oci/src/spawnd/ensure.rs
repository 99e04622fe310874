//! Makes a sandbox exist: from the pools where they have what is asked for, else from nothing.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Write;
use std::net::{SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use haar_substrate::{ContainerSpec, Lifetime, SandboxSpec, SandboxStatus, Stdio};

use super::compose;
use super::crew::Job;
use super::helper::{Helper, Sandbox, Slot};
use super::mounts::{Shared, detach};
use super::pool::{self, Ready};
use super::reaper::Which;
use super::root::{RootKey, user_of};
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

/// A sandbox or why it is none, and what is to be done now.
type Ensured = (Result<Made, Failure>, Vec<Job>);

/// Makes the sandbox, or finds it; none where that is done when another has made it.
pub(super) fn ensure(
    helper: &Arc<Helper>,
    number: u64,
    spec: Box<SandboxSpec>,
    images: Vec<Option<FromImage>>,
) -> Option<Ensured> {
    if let Err(failure) = check(&spec) {
        return Some((Err(failure), Vec::new()));
    }
    match helper.state.lock().sandboxes.entry(spec.id.clone()) {
        Entry::Vacant(place) => drop(place.insert(Slot::Starting(Vec::new()))),
        Entry::Occupied(mut place) => match place.get_mut() {
            Slot::Starting(later) => {
                later.push((number, Request::Ensure(spec, images)));
                return None;
            }
            Slot::There(sandbox) => {
                let sandbox = sandbox.clone();
                let made = Made { sandbox, carried: Vec::new(), fresh: Vec::new() };
                return Some((Ok(made), Vec::new()));
            }
        },
    }
    let made = match compose::is_composed(&spec) {
        true => compose::make(helper, &spec, &images),
        false => make(helper, &spec),
    };
    let mut state = helper.state.lock();
    let before = match &made {
        Ok(made) => state.sandboxes.insert(spec.id.clone(), Slot::There(made.sandbox.clone())),
        Err(_) => state.sandboxes.remove(&spec.id),
    };
    drop(state);
    helper.wanting.notify_all();
    let later = match before {
        Some(Slot::Starting(later)) => later,
        Some(Slot::There(_)) | None => Vec::new(),
    };
    Some((made, later))
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
