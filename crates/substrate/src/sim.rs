//! A substrate in memory, for tests: it starts nothing, does as its script says, counts, and can
//! be out of reach for a while. Its listeners are real ones, on ports of the host's loopback.

mod container;
mod feed;
mod images;
mod verbs;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haar_clock::{Clock, Moment};
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};

use crate::{
    ContainerSpec, Event, Exit, ImageId, Lifetime, Limits, Network, NetworkStatus, OutputChunk,
    SandboxId, SandboxSpec, SandboxStatus, Stats, SubstrateError, Verb, WarmTemplate,
};
use container::Container;
pub use images::SimImages;

/// Events that a slow watcher may fall behind.
const EVENTS_MAX: usize = 1_024;

/// What a container does once started.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Runs until it is ended.
    Runs,
    /// Runs until it is killed: it does not mind its stop signal.
    Stubborn,
    /// Says this and ends after a while.
    Exits {
        /// How long it runs.
        after: Duration,
        /// How it ends.
        exit: Exit,
        /// What it writes at its start.
        output: Vec<OutputChunk>,
    },
    /// Cannot be started, for this reason.
    Refused(String),
    /// Its image is not in the store.
    NoImage(ImageId),
}

/// What a command run by `exec` does.
#[derive(Clone, Debug)]
pub struct Told {
    /// What it writes.
    pub output: Vec<OutputChunk>,
    /// How it ends; `None` while it reads input, which it writes back.
    pub exit: Option<Exit>,
}

type Script = Arc<dyn Fn(&SandboxSpec, Option<&ContainerSpec>) -> Behaviour + Send + Sync>;
type ExecScript = Arc<dyn Fn(&SandboxId, &str, &[String]) -> Told + Send + Sync>;

/// The substrate.
pub struct SimSubstrate {
    clock: Clock,
    images: Arc<SimImages>,
    shared: Arc<Shared>,
}

/// What watchers of events share with the substrate.
struct Shared {
    state: Mutex<State>,
    events: broadcast::Sender<Event>,
    /// A container has been started: another may be the next to end.
    started: Notify,
}

struct State {
    script: Script,
    exec: ExecScript,
    sandboxes: BTreeMap<SandboxId, Sandbox>,
    templates: Vec<(WarmTemplate, usize)>,
    out_until: Option<Moment>,
    starts: u64,
}

struct Sandbox {
    spec: SandboxSpec,
    warm: bool,
    frozen: bool,
    limits: Limits,
    stats: Stats,
    listeners: BTreeMap<SocketAddrV4, TcpListener>,
    addresses: BTreeMap<SocketAddrV4, SocketAddr>,
    network: Option<NetworkStatus>,
    containers: BTreeMap<String, Container>,
}

impl SimSubstrate {
    /// A substrate where everything runs until it is ended.
    pub fn new(clock: Clock) -> Self {
        let state = State {
            script: Arc::new(|_, _| Behaviour::Runs),
            exec: Arc::new(|_, _, _| Told { output: Vec::new(), exit: Some(Exit::default()) }),
            sandboxes: BTreeMap::new(),
            templates: Vec::new(),
            out_until: None,
            starts: 0,
        };
        let events = broadcast::Sender::new(EVENTS_MAX);
        let shared = Shared { state: Mutex::new(state), events, started: Notify::new() };
        Self { clock, images: Arc::default(), shared: Arc::new(shared) }
    }

    /// Its images; what containers are told to run from is not looked up there.
    pub fn sim_images(&self) -> &Arc<SimImages> {
        &self.images
    }

    /// From now on, this decides what all containers of a sandbox do.
    pub fn script(&self, script: impl Fn(&SandboxSpec) -> Behaviour + Send + Sync + 'static) {
        self.shared.state.lock().script = Arc::new(move |sandbox, _| script(sandbox));
    }

    /// From now on, this decides what each container does.
    pub fn script_containers(
        &self,
        script: impl Fn(&SandboxSpec, &ContainerSpec) -> Behaviour + Send + Sync + 'static,
    ) {
        self.shared.state.lock().script = Arc::new(move |sandbox, container| {
            container.map_or(Behaviour::Runs, |container| script(sandbox, container))
        });
    }

    /// From now on, this decides what commands run by `exec` do.
    pub fn script_exec(
        &self,
        script: impl Fn(&SandboxId, &str, &[String]) -> Told + Send + Sync + 'static,
    ) {
        self.shared.state.lock().exec = Arc::new(script);
    }

    /// Does not answer for a while; what runs goes on.
    pub fn outage(&self, duration: Duration) {
        self.shared.state.lock().out_until = Some(self.clock.moment().after(duration));
    }

    /// Sandboxes that were ever started.
    pub fn starts(&self) -> u64 {
        self.shared.state.lock().starts
    }

    /// What a sandbox was made from, with all containers that were started in it, while it is
    /// there.
    pub fn spec(&self, id: &SandboxId) -> Option<SandboxSpec> {
        self.shared.state.lock().sandboxes.get(id).map(|sandbox| sandbox.spec.clone())
    }

    /// The limits that a sandbox has now.
    pub fn limits(&self, id: &SandboxId) -> Option<Limits> {
        self.shared.state.lock().sandboxes.get(id).map(|sandbox| sandbox.limits.clone())
    }

    /// True while a sandbox stands still.
    pub fn is_frozen(&self, id: &SandboxId) -> bool {
        self.shared.state.lock().sandboxes.get(id).is_some_and(|sandbox| sandbox.frozen)
    }

    /// Where the listener for `address` of a sandbox can be reached from this process.
    pub fn address(&self, id: &SandboxId, address: SocketAddrV4) -> Option<SocketAddr> {
        self.shared.state.lock().sandboxes.get(id)?.addresses.get(&address).copied()
    }

    /// From now on, what is dialled at `address` inside a sandbox is `place`, a socket of the
    /// test's that stands for a program's.
    pub fn stand_in(&self, id: &SandboxId, address: SocketAddrV4, place: SocketAddr) {
        if let Some(sandbox) = self.shared.state.lock().sandboxes.get_mut(id) {
            sandbox.addresses.insert(address, place);
        }
    }

    /// Ends a container.
    pub fn end(&self, id: &SandboxId, container: &str, exit: Exit) {
        self.shared.end(id, container, exit, self.clock.now());
    }

    /// Has a container write something.
    pub fn say(&self, id: &SandboxId, container: &str, chunk: OutputChunk) {
        let mut state = self.shared.state.lock();
        let sandbox = state.sandboxes.get_mut(id);
        if let Some(found) = sandbox.and_then(|sandbox| sandbox.containers.get_mut(container)) {
            found.say(chunk, self.clock.now());
        }
    }

    /// Has the kernel kill a process of a container for memory, not its first one.
    pub fn starve(&self, id: &SandboxId, container: &str) {
        let (id, container) = (id.clone(), container.to_owned());
        // nobody may be watching
        let _ = self.shared.events.send(Event::OutOfMemory { id, container });
    }

    /// Sets the figures that a sandbox and its containers report.
    pub fn set_stats(&self, id: &SandboxId, stats: Stats) {
        if let Some(sandbox) = self.shared.state.lock().sandboxes.get_mut(id) {
            sandbox.stats = stats;
        }
    }

    /// The server has crashed: what dies with it does.
    pub fn server_died(&self) {
        let mut state = self.shared.state.lock();
        state.sandboxes.retain(|_, sandbox| sandbox.spec.lifetime == Lifetime::Own);
    }

    /// The helper has been killed, and all that ran with it; watchers are told.
    pub fn helper_died(&self) {
        let gone = std::mem::take(&mut self.shared.state.lock().sandboxes);
        for id in gone.into_keys() {
            // nobody may be watching
            let _ = self.shared.events.send(Event::Lost(id));
        }
    }

    fn reach(&self, verb: Verb) -> Result<(), SubstrateError> {
        let now = self.clock.moment();
        let out = self.shared.state.lock().out_until.is_some_and(|until| now < until);
        if out {
            return Err(SubstrateError::Unreachable(verb, std::io::ErrorKind::TimedOut.into()));
        }
        Ok(())
    }

    /// Finds a sandbox, with all ended that is due.
    fn with<T>(
        &self,
        verb: Verb,
        id: &SandboxId,
        work: impl FnOnce(&mut Sandbox) -> Option<T>,
    ) -> Result<T, SubstrateError> {
        self.reach(verb)?;
        self.shared.catch_up(&self.clock);
        let mut state = self.shared.state.lock();
        let found = state.sandboxes.get_mut(id).and_then(work);
        found.ok_or_else(|| SubstrateError::Gone(id.clone()))
    }

    fn make(&self, state: &mut State, spec: SandboxSpec) -> Result<Sandbox, SubstrateError> {
        let wanted = spec.containers.iter().filter_map(|container| container.template.as_ref());
        let warm = wanted.into_iter().any(|template| {
            state.templates.iter().any(|(waiting, count)| waiting == template && *count > 0)
        });
        let containers = spec.containers.clone();
        let mut sandbox = Sandbox {
            limits: spec.limits.clone(),
            network: network(&spec.network),
            spec: SandboxSpec { containers: Vec::new(), ..spec },
            warm,
            frozen: false,
            stats: Stats::default(),
            listeners: BTreeMap::new(),
            addresses: BTreeMap::new(),
            containers: BTreeMap::new(),
        };
        for address in sandbox.spec.listen.clone() {
            let listener = listener().map_err(|e| SubstrateError::Unreachable(Verb::Ensure, e))?;
            sandbox.addresses.insert(address, listener.1);
            sandbox.listeners.insert(address, listener.0);
        }
        let whole = SandboxSpec { containers: containers.clone(), ..sandbox.spec.clone() };
        for container in containers {
            let behaviour = (state.script)(&whole, Some(&container));
            sandbox.start(container, &behaviour, &self.clock)?;
        }
        state.starts += 1;
        Ok(sandbox)
    }
}

impl Sandbox {
    /// Starts a container, or finds its run.
    fn start(
        &mut self,
        spec: ContainerSpec,
        behaviour: &Behaviour,
        clock: &Clock,
    ) -> Result<(), SubstrateError> {
        let before = self.containers.get(&spec.name);
        let same = before.is_some_and(|run| spec.attempt <= run.attempt || run.exit().is_none());
        if same {
            return Ok(());
        }
        let program = spec.argv.first().cloned().unwrap_or_default();
        match behaviour {
            Behaviour::Refused(reason) => {
                return Err(SubstrateError::Refused { program, reason: reason.clone() });
            }
            Behaviour::NoImage(image) => return Err(SubstrateError::ImageNotFound(image.clone())),
            _ => {}
        }
        let kept = self.containers.remove(&spec.name).map(Container::into_kept);
        let container = Container::new(&spec, behaviour, kept.unwrap_or_default(), clock);
        self.containers.insert(spec.name.clone(), container);
        self.spec.containers.retain(|other| other.name != spec.name);
        self.spec.containers.push(spec);
        Ok(())
    }

    fn status(&self) -> SandboxStatus {
        let states = self.containers.iter().map(|(name, each)| (name.clone(), each.status()));
        SandboxStatus {
            id: self.spec.id.clone(),
            labels: self.spec.labels.clone(),
            containers: states.collect(),
            network: self.network.clone(),
            warm: self.warm,
        }
    }
}

/// Free ports of the host are numbered from here.
const PORT_FIRST: u16 = 32_768;

fn network(network: &Network) -> Option<NetworkStatus> {
    let Network::Bridged(bridged) = network else { return None };
    let mut ports = bridged.ports.clone();
    for (port, free) in ports.iter_mut().zip(PORT_FIRST..) {
        if port.host_port == 0 {
            port.host_port = free;
        }
    }
    let [a, b, c, d] = bridged.address.octets();
    let mac = bridged.mac.unwrap_or([2, 0x42, a, b, c, d]);
    Some(NetworkStatus { address: bridged.address, mac, ports })
}

fn listener() -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// A chunk of standard output.
pub fn line(text: &str) -> OutputChunk {
    let bytes = Bytes::from(format!("{text}\n"));
    OutputChunk { stream: crate::Stdio::Out, bytes }
}
