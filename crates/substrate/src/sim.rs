//! A substrate in memory, for tests: it starts nothing, does as its script says, counts, and can
//! be out of reach for a while. Its listeners are real ones, on ports of the host's loopback.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use haar_clock::{Clock, Moment};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use crate::{
    Capabilities, ContainerState, Exit, Lifetime, Limits, OutputChunk, SandboxId, SandboxSpec,
    SandboxStatus, Stats, Substrate, SubstrateError, Verb, WarmTemplate,
};

/// What a container does once started.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Runs until it is ended.
    Runs,
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
}

/// Decides what each sandbox does.
type Script = Arc<dyn Fn(&SandboxSpec) -> Behaviour + Send + Sync>;

/// The substrate.
pub struct SimSubstrate {
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    script: Script,
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
    containers: BTreeMap<String, Container>,
}

struct Container {
    ends_at: Option<(Moment, Exit)>,
    end: watch::Sender<Option<Exit>>,
    /// Dropped when it ends, which ends the stream.
    writer: Option<mpsc::UnboundedSender<OutputChunk>>,
    reader: Option<mpsc::UnboundedReceiver<OutputChunk>>,
}

impl SimSubstrate {
    /// A substrate where everything runs until it is ended.
    pub fn new(clock: Clock) -> Self {
        let state = State {
            script: Arc::new(|_| Behaviour::Runs),
            sandboxes: BTreeMap::new(),
            templates: Vec::new(),
            out_until: None,
            starts: 0,
        };
        Self { clock, state: Mutex::new(state) }
    }

    /// From now on, this decides what a sandbox does.
    pub fn script(&self, script: impl Fn(&SandboxSpec) -> Behaviour + Send + Sync + 'static) {
        self.state.lock().script = Arc::new(script);
    }

    /// Does not answer for a while; what runs goes on.
    pub fn outage(&self, duration: Duration) {
        self.state.lock().out_until = Some(self.clock.moment().after(duration));
    }

    /// Sandboxes that were ever started.
    pub fn starts(&self) -> u64 {
        self.state.lock().starts
    }

    /// What a sandbox was made from, while it is there.
    pub fn spec(&self, id: &SandboxId) -> Option<SandboxSpec> {
        self.state.lock().sandboxes.get(id).map(|sandbox| sandbox.spec.clone())
    }

    /// The limits that a sandbox has now.
    pub fn limits(&self, id: &SandboxId) -> Option<Limits> {
        self.state.lock().sandboxes.get(id).map(|sandbox| sandbox.limits.clone())
    }

    /// True while a sandbox stands still.
    pub fn is_frozen(&self, id: &SandboxId) -> bool {
        self.state.lock().sandboxes.get(id).is_some_and(|sandbox| sandbox.frozen)
    }

    /// Where the listener for `address` of a sandbox can be reached from this process.
    pub fn address(&self, id: &SandboxId, address: SocketAddrV4) -> Option<SocketAddr> {
        self.state.lock().sandboxes.get(id)?.addresses.get(&address).copied()
    }

    /// From now on, what is dialled at `address` inside a sandbox is `place`, a socket of the
    /// test's that stands for a program's.
    pub fn stand_in(&self, id: &SandboxId, address: SocketAddrV4, place: SocketAddr) {
        if let Some(sandbox) = self.state.lock().sandboxes.get_mut(id) {
            sandbox.addresses.insert(address, place);
        }
    }

    /// Ends a container.
    pub fn end(&self, id: &SandboxId, container: &str, exit: Exit) {
        let mut state = self.state.lock();
        let sandbox = state.sandboxes.get_mut(id);
        if let Some(found) = sandbox.and_then(|sandbox| sandbox.containers.get_mut(container)) {
            found.end(exit);
        }
    }

    /// Has a container write something.
    pub fn say(&self, id: &SandboxId, container: &str, chunk: OutputChunk) {
        let state = self.state.lock();
        let sandbox = state.sandboxes.get(id);
        let writer = sandbox.and_then(|sandbox| sandbox.containers.get(container)?.writer.as_ref());
        if let Some(writer) = writer {
            // nobody may be reading
            let _ = writer.send(chunk);
        }
    }

    /// Sets the figures that a sandbox reports.
    pub fn set_stats(&self, id: &SandboxId, stats: Stats) {
        if let Some(sandbox) = self.state.lock().sandboxes.get_mut(id) {
            sandbox.stats = stats;
        }
    }

    /// The server has crashed: what dies with it does.
    pub fn server_died(&self) {
        let mut state = self.state.lock();
        state.sandboxes.retain(|_, sandbox| sandbox.spec.lifetime == Lifetime::Own);
    }

    fn reach(&self, verb: Verb) -> Result<(), SubstrateError> {
        let out = self.state.lock().out_until.is_some_and(|until| self.clock.moment() < until);
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
        let mut state = self.state.lock();
        let found = state.sandboxes.get_mut(id).and_then(|sandbox| {
            sandbox.catch_up(self.clock.moment());
            work(sandbox)
        });
        found.ok_or_else(|| SubstrateError::Gone(id.clone()))
    }

    fn start(&self, state: &mut State, spec: SandboxSpec) -> Result<Sandbox, SubstrateError> {
        let behaviour = (state.script)(&spec);
        if let Behaviour::Refused(reason) = behaviour {
            let program = spec.containers.first().and_then(|first| first.argv.first().cloned());
            return Err(SubstrateError::Refused { program: program.unwrap_or_default(), reason });
        }
        state.starts += 1;
        let wanted = spec.containers.iter().filter_map(|container| container.template.as_ref());
        let warm = wanted.into_iter().any(|template| {
            state.templates.iter().any(|(waiting, count)| waiting == template && *count > 0)
        });
        let mut sandbox = Sandbox {
            limits: spec.limits.clone(),
            spec,
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
        let names: Vec<_> = sandbox.spec.containers.iter().map(|each| each.name.clone()).collect();
        for name in names {
            let container = Container::new(&behaviour, self.clock.moment());
            sandbox.containers.insert(name, container);
        }
        Ok(sandbox)
    }
}

fn listener() -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

impl Container {
    fn new(behaviour: &Behaviour, now: Moment) -> Self {
        let (writer, reader) = mpsc::unbounded_channel();
        let mut ends_at = None;
        if let Behaviour::Exits { after, exit, output } = behaviour {
            ends_at = Some((now.after(*after), *exit));
            for chunk in output {
                // the reader is ours
                let _ = writer.send(chunk.clone());
            }
        }
        let end = watch::Sender::new(None);
        Self { ends_at, end, writer: Some(writer), reader: Some(reader) }
    }

    fn end(&mut self, exit: Exit) {
        self.end.send_if_modified(|end| end.replace(end.unwrap_or(exit)).is_none());
        self.writer = None;
    }

    fn state(&self) -> ContainerState {
        self.end.borrow().map_or(ContainerState::Running { pid: 1 }, ContainerState::Exited)
    }
}

impl Sandbox {
    fn catch_up(&mut self, now: Moment) {
        for container in self.containers.values_mut() {
            if let Some((_, exit)) = container.ends_at.filter(|(at, _)| *at <= now) {
                container.end(exit);
            }
        }
    }

    fn status(&self) -> SandboxStatus {
        let states = self.containers.iter().map(|(name, each)| (name.clone(), each.state()));
        SandboxStatus {
            id: self.spec.id.clone(),
            labels: self.spec.labels.clone(),
            containers: states.collect(),
            warm: self.warm,
        }
    }
}

#[async_trait]
impl Substrate for SimSubstrate {
    async fn ensure(&self, spec: SandboxSpec) -> Result<SandboxStatus, SubstrateError> {
        self.reach(Verb::Ensure)?;
        let id = spec.id.clone();
        let mut state = self.state.lock();
        if !state.sandboxes.contains_key(&id) {
            let sandbox = self.start(&mut state, spec)?;
            state.sandboxes.insert(id.clone(), sandbox);
        }
        drop(state);
        self.with(Verb::Ensure, &id, |sandbox| Some(sandbox.status()))
    }

    async fn remove(&self, id: &SandboxId, _grace: Duration) -> Result<(), SubstrateError> {
        self.reach(Verb::Remove)?;
        self.state.lock().sandboxes.remove(id);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<SandboxStatus>, SubstrateError> {
        self.reach(Verb::List)?;
        let now = self.clock.moment();
        let mut state = self.state.lock();
        state.sandboxes.values_mut().for_each(|sandbox| sandbox.catch_up(now));
        Ok(state.sandboxes.values().map(Sandbox::status).collect())
    }

    async fn listener(
        &self,
        id: &SandboxId,
        address: SocketAddrV4,
    ) -> Result<TcpListener, SubstrateError> {
        self.with(Verb::Attach, id, |sandbox| sandbox.listeners.remove(&address))
    }

    async fn dial(
        &self,
        id: &SandboxId,
        address: SocketAddrV4,
        _limit: Duration,
    ) -> Result<TcpStream, SubstrateError> {
        let place =
            self.with(Verb::Attach, id, |sandbox| Some(sandbox.addresses.get(&address).copied()))?;
        let no_answer = |error| SubstrateError::NoAnswer(id.clone(), address, error);
        let place = place.ok_or_else(|| no_answer(std::io::ErrorKind::ConnectionRefused.into()))?;
        let stream = TcpStream::connect(place).map_err(no_answer)?;
        stream.set_nonblocking(true).map_err(no_answer)?;
        Ok(stream)
    }

    async fn wait(&self, id: &SandboxId, container: &str) -> Result<Exit, SubstrateError> {
        let (mut end, ends_at) = self.with(Verb::List, id, |sandbox| {
            let container = sandbox.containers.get(container)?;
            Some((container.end.subscribe(), container.ends_at))
        })?;
        let ended = async { end.wait_for(Option::is_some).await.ok().and_then(|exit| *exit) };
        let exit = match ends_at {
            None => ended.await,
            Some((at, exit)) => tokio::select! {
                ended = ended => ended,
                () = self.clock.sleep_until(at) => {
                    self.end(id, container, exit);
                    Some(exit)
                }
            },
        };
        exit.ok_or_else(|| SubstrateError::Gone(id.clone()))
    }

    async fn output(
        &self,
        id: &SandboxId,
        container: &str,
    ) -> Result<BoxStream<'static, OutputChunk>, SubstrateError> {
        let reader = self.with(Verb::Attach, id, |sandbox| {
            sandbox.containers.get_mut(container)?.reader.take()
        })?;
        let next = |mut reader: mpsc::UnboundedReceiver<OutputChunk>| async {
            reader.recv().await.map(|chunk| (chunk, reader))
        };
        Ok(Box::pin(futures_util::stream::unfold(reader, next)))
    }

    async fn signal(
        &self,
        id: &SandboxId,
        container: &str,
        signal: i32,
    ) -> Result<(), SubstrateError> {
        let exit = Exit { code: None, signal: Some(signal), out_of_memory: false };
        self.with(Verb::Signal, id, |sandbox| {
            sandbox.containers.get_mut(container).map(|container| container.end(exit))
        })
    }

    async fn freeze(&self, id: &SandboxId, frozen: bool) -> Result<(), SubstrateError> {
        self.with(Verb::Signal, id, |sandbox| {
            sandbox.frozen = frozen;
            Some(())
        })
    }

    async fn stats(&self, id: &SandboxId) -> Result<Stats, SubstrateError> {
        self.with(Verb::List, id, |sandbox| Some(sandbox.stats))
    }

    async fn reset_peak(&self, id: &SandboxId) -> Result<(), SubstrateError> {
        self.with(Verb::Signal, id, |sandbox| {
            sandbox.stats.memory_peak_bytes = sandbox.stats.memory_bytes;
            Some(())
        })
    }

    async fn resize(&self, id: &SandboxId, limits: &Limits) -> Result<(), SubstrateError> {
        self.with(Verb::Signal, id, |sandbox| {
            sandbox.limits = limits.clone();
            Some(())
        })
    }

    async fn prepare(&self, templates: Vec<(WarmTemplate, usize)>) -> Result<(), SubstrateError> {
        self.reach(Verb::Ensure)?;
        self.state.lock().templates = templates;
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { findings: Vec::new(), usable: true }
    }
}

/// A chunk of standard output.
pub fn line(text: &str) -> OutputChunk {
    let bytes = Bytes::from(format!("{text}\n"));
    OutputChunk { stream: crate::Stdio::Out, bytes }
}
