//! Sandboxes whose containers come from images, one by one: first the network and the volumes,
//! then any number of containers, each with a root and a control group of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use haar_substrate::{
    ContainerSpec, Lifetime, Limits, Network, Root, SandboxId, SandboxSpec, Stdio,
};
use parking_lot::Mutex;

use super::beginnings::Beginnings;
use super::bridge::SandboxNetwork;
use super::clone::Unborn;
use super::container;
use super::ensure::{Made, unmake};
use super::helper::{Helper, Sandbox};
use super::kits::{FirstKit, Kit};
use super::mounts::Shared;
use super::owners::Owners;
use super::reaper::Which;
use super::scratch::Again;
use super::scribe::Book;
use super::serve::step_aside;
use super::shell::Workshop;
use super::sysctl;
use super::unit::Unit;
use super::volumes::Volumes;
use crate::cgroup::{Cgroup, Pair};
use crate::kept::Places;
use crate::proto::{Carried, Doing, Failure, FromImage};
use crate::sys;

/// Where the host keeps the name servers that it asks.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Layers of ended containers that a sandbox keeps for others.
const LAYERS_MAX: usize = 8;

/// What a sandbox of images has.
pub(super) struct Composed {
    pub(super) network: SandboxNetwork,
    pub(super) hostname: String,
    /// Its files that are bound into containers, in memory.
    pub(super) memory: PathBuf,
    /// Its containers' writable layers and its volumes.
    pub(super) disk: PathBuf,
    /// Kept output.
    heads: PathBuf,
    logs: PathBuf,
    pub(super) volumes: Volumes,
    pub(super) shared: Mutex<Shared>,
    books: Mutex<BTreeMap<String, Arc<Book>>>,
    /// Its own users, once a container has asked for them.
    owners: Mutex<Option<Arc<Owners>>>,
    /// Starts that were asked for.
    pub(super) beginnings: Beginnings,
    /// One start at a time.
    starting: Mutex<()>,
    /// What that starts, before it has begun.
    pub(super) unborn: Unborn,
    /// What its first container begins with, until then.
    first: Mutex<Option<FirstKit>>,
    /// The groups that it began with, where they are to be used again.
    pub(super) pair: Mutex<Option<Pair>>,
    /// Layers of containers that have ended, to be used again when it has.
    layers: Mutex<Vec<Again>>,
}

/// True for what is made here.
pub(super) fn is_composed(spec: &SandboxSpec) -> bool {
    let image = |container: &ContainerSpec| matches!(container.root, Root::Image(_));
    spec.network != Network::Loopback
        || spec.containers.iter().any(image)
        || spec.containers.is_empty() && spec.lifetime == Lifetime::Own
}

/// Makes the sandbox and starts its containers; all of it or nothing.
pub(super) fn make(
    helper: &Arc<Helper>,
    spec: &SandboxSpec,
    images: &[Option<FromImage>],
) -> Result<Made, Failure> {
    let shop = &helper.shop;
    helper.state.lock().pool.note_taken();
    let kit = shop.kits.take(&shop.cgroups, &spec.limits, || helper.mint_name())?;
    let Kit { group: cgroup, limits, first } = kit;
    let name = helper.mint_name(); // not the group's, which may have served before
    let made = cgroup.change(&limits, &spec.limits).doing("set the limits").and_then(|()| {
        let network = shop.networks.make(&shop.home, &spec.network, &spec.listen)?;
        let composed = Composed::new(helper, spec, network, &name)?;
        let carried = composed.network.carried().inspect_err(|_| {
            helper.close_network(&composed.network);
            composed.leavings().into_iter().for_each(|dir| helper.close_dir(dir));
        })?;
        Ok((composed, carried))
    });
    let (composed, carried) = match made {
        Ok(made) => made,
        Err(failure) => {
            helper.close_first(first);
            helper.close_group(cgroup);
            return Err(failure);
        }
    };
    if spec.lifetime == Lifetime::Own && shop.cgroups.are_renewable() {
        *composed.pair.lock() = first.as_ref().map(|first| Pair {
            outer: (cgroup.clone(), spec.limits.clone()),
            inner: (first.group.clone(), first.limits.clone()),
            name: first.name.clone(),
        });
    }
    *composed.first.lock() = first;
    let sandbox = Arc::new(Sandbox {
        id: spec.id.clone(),
        labels: spec.labels.clone(),
        lifetime: spec.lifetime,
        warm: false,
        cgroup,
        units: Mutex::default(),
        composed: Some(composed),
        removal: Mutex::new(None),
    });
    let mut made = Made { sandbox: sandbox.clone(), carried, fresh: Vec::new() };
    for (container, image) in spec.containers.iter().zip(images) {
        let started = add(helper, &sandbox, container, image.as_ref(), &mut made);
        if let Err(failure) = started {
            unmake(helper, made);
            return Err(failure);
        }
    }
    Ok(made)
}

/// Starts a container in a sandbox that is there, or finds its run.
pub(super) fn start(
    helper: &Arc<Helper>,
    number: u64,
    sandbox: &Arc<Sandbox>,
    (spec, image): (&ContainerSpec, Option<&FromImage>),
) -> Result<Made, Failure> {
    let composed = sandbox.composed.as_ref().ok_or_else(|| Failure::Refused {
        program: spec.name.clone(),
        reason: "this sandbox takes no more containers".to_owned(),
    })?;
    helper.state.lock().pool.note_taken();
    // others may be in its way, and use up its part of the processor; or much is to be copied
    let is_first = sandbox.units.lock().is_empty();
    let is_short = is_first && image.is_none_or(|image| image.volumes.is_empty());
    let made = match is_short.then(|| composed.starting.try_lock()).flatten() {
        Some(_one) => start_alone(helper, number, sandbox, (spec, image)),
        None => step_aside(helper, || {
            let _one = composed.starting.lock();
            start_alone(helper, number, sandbox, (spec, image))
        }),
    };
    if sandbox.removal.lock().is_none() {
        let is_stopped = composed.beginnings.is_stopped(number);
        return made.map_err(|failure| if is_stopped { stopped(&spec.name) } else { failure });
    }
    // it was asked to go meanwhile, and that waited for this
    if let Ok(made) = &made {
        made.fresh.iter().for_each(|unit| unit.shell.kill());
        watch(helper, &made.fresh);
    }
    helper.finish_removal(&sandbox.id);
    Err(Failure::Gone(sandbox.id.clone()))
}

/// Why one does not start that was asked to stop meanwhile.
pub(super) fn stopped(container: &str) -> Failure {
    let reason = "it was stopped before it had started".to_owned();
    Failure::Refused { program: container.to_owned(), reason }
}

/// As [`start`], while no other container of the sandbox is started.
fn start_alone(
    helper: &Arc<Helper>,
    number: u64,
    sandbox: &Arc<Sandbox>,
    (spec, image): (&ContainerSpec, Option<&FromImage>),
) -> Result<Made, Failure> {
    let mut made = Made { sandbox: sandbox.clone(), carried: Vec::new(), fresh: Vec::new() };
    if sandbox.removal.lock().is_some() {
        return Err(Failure::Gone(sandbox.id.clone()));
    }
    refuse_frozen(&sandbox.cgroup, &spec.name)?;
    let before = sandbox.units.lock().get(&spec.name).cloned();
    if let Some(before) = before {
        let ended = {
            let life = before.life.lock();
            let attempt = life.owner.as_ref().map_or(0, |owner| owner.attempt);
            if spec.attempt <= attempt || life.exit.is_none() {
                return Ok(made);
            }
            life.gone
        };
        if !ended {
            helper.await_gone(&before);
        }
    }
    let beginnings = sandbox.composed.as_ref().map(|composed| &composed.beginnings);
    if beginnings.is_some_and(|all| !all.begin(number)) {
        return Err(stopped(&spec.name));
    }
    let added = add(helper, sandbox, spec, image, &mut made);
    if let Some(all) = beginnings {
        all.end(number); // before the next one's turn
    }
    added.map(|()| made)
}

/// What joins a group that stands still does so itself, and whoever starts it waits for that.
pub(super) fn refuse_frozen(group: &Cgroup, program: &str) -> Result<(), Failure> {
    if !group.is_frozen() {
        return Ok(());
    }
    let reason = "its sandbox or container is paused".to_owned();
    Err(Failure::Refused { program: program.to_owned(), reason })
}

fn add(
    helper: &Arc<Helper>,
    sandbox: &Arc<Sandbox>,
    spec: &ContainerSpec,
    image: Option<&FromImage>,
    made: &mut Made,
) -> Result<(), Failure> {
    let image = image.ok_or_else(|| {
        Failure::Unsupported("the host's programs in a sandbox with a network".into())
    })?;
    let container::StartedContainer { unit, streams } =
        container::start(helper, sandbox, spec, image)?;
    sandbox.units.lock().insert(spec.name.clone(), unit.clone());
    if let Some([out, err]) = streams {
        if sandbox.lifetime == Lifetime::Own {
            let both = out.try_clone().and_then(|out| Ok([out, err.try_clone()?]));
            *unit.outputs.lock() = both.ok();
        }
        for (stream, end) in [(Stdio::Out, out), (Stdio::Err, err)] {
            made.carried.push((Carried::Output { container: spec.name.clone(), stream }, end));
        }
    }
    made.fresh.push(unit);
    Ok(())
}

/// From now on the ends of these containers are told.
pub(super) fn watch(helper: &Arc<Helper>, units: &[Arc<Unit>]) {
    for unit in units {
        // what a host cannot tell is told at the end
        let _ = helper.reaper.watch_memory(unit);
        let first = helper.reaper.watch(unit, Which::First);
        let program = match unit.is_sole() {
            true => Ok(()),
            false => helper.reaper.watch(unit, Which::Program),
        };
        if let Err(error) = first.and(program) {
            super::log(&format!("could not watch a container: {error}"));
            unit.shell.kill();
        }
    }
}

impl Composed {
    fn new(
        helper: &Helper,
        spec: &SandboxSpec,
        network: SandboxNetwork,
        name: &str,
    ) -> Result<Self, Failure> {
        let shop = &helper.shop;
        let places = &shop.places;
        let mut own = Self {
            network,
            hostname: spec.hostname.clone(),
            memory: places.files.join(format!("sandbox-{name}")),
            disk: places.disk.join(name),
            heads: places.heads.join(&spec.id.0),
            logs: places.logs.join(&spec.id.0),
            volumes: Volumes::default(),
            shared: Mutex::default(),
            books: Mutex::default(),
            owners: Mutex::default(),
            beginnings: Beginnings::default(),
            starting: Mutex::new(()),
            unborn: Unborn::default(),
            first: Mutex::default(),
            pair: Mutex::default(),
            layers: Mutex::default(),
        };
        let made = own.write_files(spec).doing("write a sandbox's files").and_then(|()| {
            let mut all = spec.volumes.iter();
            all.try_for_each(|volume| own.volumes.add(shop, &own.disk, volume))
        });
        if let Err(failure) = made {
            helper.close_network(&own.network);
            let _ = fs::remove_dir_all(&own.memory);
            let _ = fs::remove_dir_all(&own.disk);
            return Err(failure);
        }
        Ok(own)
    }

    fn write_files(&self, spec: &SandboxSpec) -> io::Result<()> {
        fs::create_dir_all(&self.memory)?;
        for former in [&self.heads, &self.logs] {
            let _ = fs::remove_dir_all(former);
        }
        let mut hosts =
            "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n".to_owned();
        if let Some(bridged) = &self.network.bridged {
            let _ = writeln!(hosts, "{}\t{}", bridged.address, spec.hostname);
        }
        for (address, name) in &spec.hosts {
            let _ = writeln!(hosts, "{address}\t{name}");
        }
        fs::write(self.memory.join("hosts"), hosts)?;
        fs::write(self.memory.join("hostname"), format!("{}\n", spec.hostname))?;
        fs::write(self.memory.join("resolv.conf"), self.resolv_conf())
    }

    fn resolv_conf(&self) -> String {
        let Some(bridged) = &self.network.bridged else {
            return match self.network.namespace {
                None => fs::read_to_string(RESOLV_CONF).unwrap_or_default(),
                Some(_) => String::new(),
            };
        };
        let mut text = String::new();
        if !bridged.search.is_empty() {
            let _ = writeln!(text, "search {}", bridged.search.join(" "));
        }
        let servers = match bridged.dns.is_empty() {
            true => vec![bridged.gateway],
            false => bridged.dns.clone(),
        };
        for server in servers {
            let _ = writeln!(text, "nameserver {server}");
        }
        text
    }

    /// Its own users. They may use any port, and say that they are there: what the host's root may
    /// and theirs may not.
    pub(super) fn owners(&self, shop: &Workshop) -> Result<Arc<Owners>, Failure> {
        let mut owners = self.owners.lock();
        if let Some(known) = &*owners {
            return Ok(known.clone());
        }
        if !super::owners::are_possible() {
            let why = "containers have users of their own from Linux 6.3 on";
            return Err(Failure::Unsupported(why.to_owned()));
        }
        let made = shop.ranges.make(shop.init.as_fd()).map_err(|error| {
            Failure::Unsupported(format!("this host gives containers no users: {error}"))
        })?;
        if self.network.namespace.is_some() {
            let all = [
                ("net.ipv4.ip_unprivileged_port_start", "0"),
                ("net.ipv4.ping_group_range", "0 2147483647"),
            ];
            self.set_sysctls(shop, &all)?;
        }
        let made = Arc::new(made);
        *owners = Some(made.clone());
        Ok(made)
    }

    /// What a container begins with, once.
    pub(super) fn take_first(&self) -> Option<FirstKit> {
        self.first.lock().take()
    }

    /// A container's group is used again with the sandbox's.
    pub(super) fn keeps(&self, group: &Cgroup) -> bool {
        self.pair.lock().as_ref().is_some_and(|pair| pair.inner.0.name == group.name)
    }

    /// Has the group of a container that could not be started removed.
    pub(super) fn close_group(&self, helper: &Helper, group: Cgroup) {
        if !self.keeps(&group) {
            helper.close_group(group);
        }
    }

    /// Keeps a layer until all has ended, if its root may then be used again; else gives it back.
    /// A container that is started over and over does not pile them up.
    pub(super) fn keep_layer(&self, again: Again) -> Option<Again> {
        let mut layers = self.layers.lock();
        if again.laid.is_none() || layers.len() >= LAYERS_MAX {
            return Some(again);
        }
        layers.push(again);
        None
    }

    /// The layers that it keeps.
    pub(super) fn take_layers(&self) -> Vec<Again> {
        std::mem::take(&mut *self.layers.lock())
    }

    /// Notes the limits that a group has from now on.
    pub(super) fn note_limits(&self, group: &Cgroup, limits: &Limits) {
        if let Some(Pair { outer, inner, .. }) = &mut *self.pair.lock() {
            for one in [outer, inner].into_iter().filter(|one| one.0.name == group.name) {
                one.1 = limits.clone();
            }
        }
    }

    /// Sets other limits for the whole sandbox, which may be on its way out.
    pub(super) fn resize(&self, group: &Cgroup, limits: &Limits) -> io::Result<()> {
        let mut pair = self.pair.lock();
        match &mut *pair {
            Some(pair) => {
                group.limit(limits)?;
                pair.outer.1 = limits.clone();
                Ok(())
            }
            // where others are about to have the group, they do not
            None => {
                group.spoil();
                group.limit(limits)
            }
        }
    }

    /// A container is being started.
    pub(super) fn is_starting(&self) -> bool {
        self.starting.try_lock().is_none()
    }

    /// A container's kept output.
    pub(super) fn book(
        &self,
        id: &SandboxId,
        spec: &ContainerSpec,
        bytes: u64,
    ) -> Result<Arc<Book>, Failure> {
        let mut books = self.books.lock();
        if let Some(book) = books.get(&spec.name) {
            return Ok(book.clone());
        }
        let places = Places { head: self.heads.join(&spec.name), rest: self.logs.join(&spec.name) };
        let book = Book::open(places, bytes, id, &spec.name).doing("keep output")?;
        books.insert(spec.name.clone(), book.clone());
        Ok(book)
    }

    /// All kept output.
    pub(super) fn books(&self) -> Vec<Arc<Book>> {
        self.books.lock().values().cloned().collect()
    }

    /// Directories to remove when it is gone.
    pub(super) fn leavings(&self) -> [PathBuf; 4] {
        [&self.memory, &self.disk, &self.heads, &self.logs].map(PathBuf::clone)
    }

    /// Sets kernel parameters of its network.
    pub(super) fn set_sysctls(
        &self,
        shop: &Workshop,
        sysctls: &[(&str, &str)],
    ) -> Result<(), Failure> {
        let namespace: Option<&OwnedFd> = self.network.namespace.as_ref();
        self.network.is_changed.store(true, Ordering::SeqCst);
        for (name, value) in sysctls {
            let refused = |reason: String| Failure::Refused { program: (*name).to_owned(), reason };
            let Some(namespace) = namespace.filter(|_| sysctl::is_plain(name)) else {
                return Err(refused("not a parameter of the sandbox's own network".to_owned()));
            };
            // filters know nothing of it
            if opens_ipv6(name, value) {
                return Err(refused("sandboxes have no IPv6 but on their loopback".to_owned()));
            }
            sys::setns(namespace.as_fd(), libc::CLONE_NEWNET).doing("enter the network")?;
            let written = fs::write(sysctl::path(name), value);
            if sys::setns(shop.home.as_fd(), libc::CLONE_NEWNET).is_err() {
                std::process::abort();
            }
            written.map_err(|error| refused(error.to_string()))?;
        }
        Ok(())
    }
}

fn opens_ipv6(name: &str, value: &str) -> bool {
    name.starts_with("net.ipv6.conf.") && name.ends_with(".disable_ipv6") && value.trim() != "1"
}
