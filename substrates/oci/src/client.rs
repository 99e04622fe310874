//! The server's half: asks the helper, remembers what runs, hands out sockets and output.

mod connection;
mod dial;
mod gate;
mod groups;
mod known;
mod logs;
mod merge;
mod output;
mod ports;
mod session;
mod start;

use std::collections::BTreeMap;
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use haar_images::{Bundle, Store};
use haar_substrate::{
    Capabilities, ContainerSpec, End, Event, ExecSpec, Exit, Filter, ImageStore, Lifetime, Limits,
    LogChunk, Network, OutputChunk, Root, SandboxId, SandboxSpec, SandboxStatus, Session, Stats,
    Substrate, SubstrateError, Verb, WarmTemplate,
};
use parking_lot::Mutex;

use crate::cgroup::Cgroups;
use crate::probe;
use crate::proto::{Answer, Failure, FromImage, Request};
use connection::Connection;
use known::Known;
use ports::{Opened, Ports};
use session::OciSession;

/// Where the runtime keeps its things, and how its helper is started.
#[derive(Clone, Debug)]
pub struct OciConfig {
    /// A directory of ours alone; made if it is not there.
    pub state_dir: PathBuf,
    /// Unique among the servers of this host (`[a-z0-9-]`): names the control groups.
    pub instance: String,
    /// The program whose first argument `spawnd` makes it the helper.
    pub spawnd_exe: PathBuf,
    /// Where images are; without it containers of images are refused.
    pub images: Option<Arc<Store>>,
    /// The server's directory where no other server will ever come to it: nothing outlives this
    /// one then, however it ends, and the directory goes with it.
    pub ephemeral: Option<PathBuf>,
}

/// The embedded runtime.
pub struct OciSubstrate {
    config: OciConfig,
    cgroups: Cgroups,
    capabilities: Capabilities,
    /// The helper's connection; replaced when the helper died.
    connection: tokio::sync::Mutex<Option<Arc<Connection>>>,
    known: Arc<Mutex<Known>>,
    /// Images that sandboxes run from: held, so that they stay.
    bundles: Mutex<BTreeMap<SandboxId, BTreeMap<String, Arc<Bundle>>>>,
    ports: Ports,
    /// Told to every new helper.
    templates: Mutex<Vec<(WarmTemplate, usize)>>,
}

/// A connection that nobody may use yet; closed where it comes to nothing, so that the helper takes
/// the next.
struct Unfinished {
    connection: Arc<Connection>,
    is_kept: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_kept {
            self.connection.close();
        }
    }
}

impl OciSubstrate {
    /// Starts the helper, or finds the one that a former server has left with what it runs.
    /// On a host that cannot run sandboxes this succeeds; its [`Substrate::capabilities`] tell.
    pub async fn start(config: OciConfig) -> Result<Self, SubstrateError> {
        std::fs::create_dir_all(&config.state_dir)
            .map_err(|error| SubstrateError::Unreachable(Verb::List, error))?;
        // every sandbox costs this process a handful of descriptors
        crate::sys::raise_open_files();
        let cgroups = Cgroups::detect(&config.instance);
        let substrate = Self {
            capabilities: probe::probe(&cgroups),
            cgroups,
            config,
            connection: tokio::sync::Mutex::new(None),
            known: Arc::default(),
            bundles: Mutex::default(),
            ports: Ports::default(),
            templates: Mutex::default(),
        };
        if substrate.capabilities.usable {
            let connection = substrate.connect(Verb::List).await?;
            substrate.adopt(&connection).await?;
        }
        Ok(substrate)
    }

    /// The connection, made anew when there is none.
    async fn connect(&self, verb: Verb) -> Result<Arc<Connection>, SubstrateError> {
        let mut current = self.connection.lock().await;
        if let Some(connection) = current.as_ref().filter(|connection| connection.is_up()) {
            return Ok(connection.clone());
        }
        if !self.capabilities.usable {
            return Err(SubstrateError::Unsupported(verb, probe::why_unusable(&self.capabilities)));
        }
        let is_again = current.is_some();
        let fresh = start::connect(&self.config, &self.known)
            .await
            .map_err(|error| SubstrateError::Unreachable(verb, error))?;
        let mut fresh = Unfinished { connection: fresh, is_kept: false };
        let templates = self.templates.lock().clone();
        if !templates.is_empty() {
            fresh
                .connection
                .ask(Request::Prepare(templates))
                .await
                .map_err(|failure| failure.into_error(verb))?;
        }
        if is_again {
            self.learn_again(&fresh.connection).await?;
        }
        fresh.is_kept = true;
        *current = Some(fresh.connection.clone());
        Ok(fresh.connection.clone())
    }

    /// Learns what a former server has left, and removes what should not have outlived it.
    async fn adopt(&self, connection: &Arc<Connection>) -> Result<(), SubstrateError> {
        for described in self.ask_list(connection).await? {
            let id = described.status.id.clone();
            if described.lifetime == Lifetime::Server {
                self.remove(&id, Duration::ZERO).await?;
            } else {
                self.hold_adopted(&described.status);
                if let Some(network) = &described.status.network {
                    self.ports.adopt(&described.status.id, network).await;
                }
                self.known.lock().learn(described, Vec::new());
                // one that has ended meanwhile is found out like any other
                let _ = connection.ask(Request::Adopt { id }).await;
            }
        }
        Ok(())
    }

    /// Learns what still runs where the helper lives, and only the connection to it broke.
    async fn learn_again(&self, connection: &Connection) -> Result<(), SubstrateError> {
        for described in self.ask_list(connection).await? {
            if described.lifetime == Lifetime::Own {
                self.known.lock().learn(described, Vec::new());
            }
        }
        Ok(())
    }

    async fn ask_list(
        &self,
        connection: &Connection,
    ) -> Result<Vec<crate::proto::Described>, SubstrateError> {
        match connection.ask(Request::List).await {
            Ok((Answer::List(all), _)) => Ok(all),
            Ok(_) => Ok(Vec::new()),
            Err(failure) => Err(failure.into_error(Verb::List)),
        }
    }

    async fn ask(&self, verb: Verb, request: Request) -> Result<(), SubstrateError> {
        let connection = self.connect(verb).await?;
        connection.ask(request).await.map(drop).map_err(|failure| failure.into_error(verb))
    }

    /// Holds what an adopted sandbox runs from.
    fn hold_adopted(&self, status: &SandboxStatus) {
        for (name, container) in &status.containers {
            let store = self.config.images.as_ref();
            let bundle = store.zip(container.image.as_ref());
            if let Some(Ok(bundle)) = bundle.map(|(store, image)| store.bundle(image)) {
                self.hold(&status.id, name, bundle);
            }
        }
    }

    fn hold(&self, id: &SandboxId, container: &str, bundle: Bundle) {
        let mut bundles = self.bundles.lock();
        let of_sandbox = bundles.entry(id.clone()).or_default();
        of_sandbox.insert(container.to_owned(), Arc::new(bundle));
    }

    /// Waits for a container's end.
    async fn end(&self, id: &SandboxId, container: &str) -> Result<End, SubstrateError> {
        let gone = || SubstrateError::Gone(id.clone());
        let mut end = {
            let known = self.known.lock();
            let entry = known.sandboxes.get(id).ok_or_else(gone)?;
            entry.runs.get(container).ok_or_else(gone)?.end.subscribe()
        };
        let state = end.wait_for(Option::is_some).await.map_err(|_| gone())?;
        state.map(|(exit, at)| End { exit, at }).ok_or_else(gone)
    }

    /// What a container's image says, with the image held.
    fn image(
        &self,
        verb: Verb,
        id: &SandboxId,
        hostname: &str,
        spec: &ContainerSpec,
    ) -> Result<Option<FromImage>, SubstrateError> {
        let Root::Image(image) = &spec.root else { return Ok(None) };
        let store = self.config.images.as_ref().ok_or_else(|| {
            SubstrateError::Unsupported(verb, "there is no image store".to_owned())
        })?;
        let bundle =
            store.bundle(image).map_err(|_| SubstrateError::ImageNotFound(image.clone()))?;
        let merged = merge::merge(spec, hostname, &bundle)?;
        self.hold(id, &spec.name, bundle);
        Ok(Some(merged))
    }
}

#[async_trait]
impl Substrate for OciSubstrate {
    async fn ensure(&self, mut spec: SandboxSpec) -> Result<SandboxStatus, SubstrateError> {
        let id = spec.id.clone();
        let connection = self.connect(Verb::Ensure).await?;
        let images: Result<Vec<_>, _> = spec
            .containers
            .iter()
            .map(|container| self.image(Verb::Ensure, &id, &spec.hostname, container))
            .collect();
        let images = images?;
        let (opened, address) = match &mut spec.network {
            Network::Bridged(bridged) => {
                (self.ports.open(&id, bridged).await?, Some(bridged.address))
            }
            Network::Loopback | Network::Host => (Opened::default(), None),
        };
        self.known.lock().expect(&id);
        let answer = connection.ask(Request::Ensure(Box::new(spec), images)).await;
        // what came along was noted when it arrived, even if nobody waits here any more
        let status = self.known.lock().sandboxes.get(&id).map(|entry| entry.status());
        answer.map_err(|failure| failure.into_error(Verb::Ensure))?;
        if let Some(address) = address {
            self.ports.pass_on(&id, address, opened);
        }
        status.ok_or(SubstrateError::Gone(id))
    }

    async fn remove(&self, id: &SandboxId, grace: Duration) -> Result<(), SubstrateError> {
        if !self.capabilities.usable {
            return Ok(()); // there can be none
        }
        let leaving = self.known.lock().sandboxes.get(id).map(|entry| entry.gate.leave());
        let request = Request::Remove { id: id.clone(), grace };
        self.ask(Verb::Remove, request).await?;
        if let Some(leaving) = leaving {
            leaving.done();
        }
        self.known.lock().sandboxes.remove(id);
        self.bundles.lock().remove(id);
        self.ports.close(id).await;
        Ok(())
    }

    async fn start(
        &self,
        id: &SandboxId,
        container: ContainerSpec,
    ) -> Result<SandboxStatus, SubstrateError> {
        let connection = self.connect(Verb::Start).await?;
        let (hostname, _beginning) = {
            let mut known = self.known.lock();
            known.expect(id);
            let entry = known.sandboxes.get(id).ok_or_else(|| SubstrateError::Gone(id.clone()))?;
            (entry.hostname.clone(), entry.gate.begin())
        };
        let image = self.image(Verb::Start, id, &hostname, &container)?;
        let request = Request::Start { id: id.clone(), container: Box::new(container), image };
        let answer = connection.ask(request).await;
        let status = self.known.lock().sandboxes.get(id).map(|entry| entry.status());
        answer.map_err(|failure| failure.into_error(Verb::Start))?;
        status.ok_or_else(|| SubstrateError::Gone(id.clone()))
    }

    async fn stop(
        &self,
        id: &SandboxId,
        container: &str,
        grace: Duration,
    ) -> Result<End, SubstrateError> {
        let request = Request::Stop { id: id.clone(), container: container.to_owned(), grace };
        self.ask(Verb::Signal, request).await?;
        self.end(id, container).await
    }

    async fn logs(
        &self,
        id: &SandboxId,
        container: &str,
        from: u64,
    ) -> Result<BoxStream<'static, LogChunk>, SubstrateError> {
        let known = self.known.lock();
        let entry = known.sandboxes.get(id).ok_or_else(|| SubstrateError::Gone(id.clone()))?;
        let run = entry.runs.get(container).ok_or_else(|| SubstrateError::Gone(id.clone()))?;
        let places = logs::places(entry.heads.clone(), &self.config.state_dir, id, container);
        Ok(logs::stream(places, from, run.end.subscribe(), run.written.subscribe()))
    }

    async fn exec(
        &self,
        id: &SandboxId,
        container: &str,
        exec: ExecSpec,
    ) -> Result<Arc<dyn Session>, SubstrateError> {
        let connection = self.connect(Verb::Exec).await?;
        let session = connection.mint();
        let (end, _beginning) = {
            let mut known = self.known.lock();
            let beginning = known.sandboxes.get(id).map(|entry| entry.gate.begin());
            (known.expect_session(session), beginning)
        };
        let terminal = exec.terminal.is_some();
        let (id, container) = (id.clone(), container.to_owned());
        let request = Request::Exec { session, id, container, exec: Box::new(exec) };
        let fds = match connection.ask(request).await {
            Ok((_, fds)) => fds,
            Err(failure) => {
                self.known.lock().session_ended(session, Exit::default());
                // it may run, and only its answer be lost
                connection.tell(Request::SignalSession { session, signal: libc::SIGKILL });
                return Err(failure.into_error(Verb::Exec));
            }
        };
        let session = OciSession::new(session, connection, end, (terminal, fds));
        let session = session.map_err(|error| SubstrateError::Unreachable(Verb::Exec, error))?;
        Ok(Arc::new(session))
    }

    async fn filter(&self, id: &SandboxId, filter: Option<Filter>) -> Result<(), SubstrateError> {
        self.ask(Verb::Signal, Request::Filter { id: id.clone(), filter }).await
    }

    async fn filter_all(
        &self,
        filters: Vec<(Filter, Vec<SandboxId>)>,
    ) -> Result<(), SubstrateError> {
        self.ask(Verb::Signal, Request::Filters(filters)).await
    }

    async fn watch(&self) -> Result<BoxStream<'static, Event>, SubstrateError> {
        let events = self.known.lock().events.subscribe();
        Ok(logs::events(events))
    }

    async fn pause(
        &self,
        id: &SandboxId,
        container: &str,
        paused: bool,
    ) -> Result<(), SubstrateError> {
        self.freeze_group(id, Some(container), paused).await
    }

    async fn container_stats(
        &self,
        id: &SandboxId,
        container: &str,
    ) -> Result<Stats, SubstrateError> {
        self.look(id, Some(container))
    }

    async fn list(&self) -> Result<Vec<SandboxStatus>, SubstrateError> {
        if !self.capabilities.usable {
            return Ok(Vec::new()); // there can be none
        }
        let connection = self.connect(Verb::List).await?;
        let all = self.ask_list(&connection).await?;
        Ok(all.into_iter().map(|described| described.status).collect())
    }

    async fn listener(
        &self,
        id: &SandboxId,
        address: SocketAddrV4,
    ) -> Result<TcpListener, SubstrateError> {
        let mut known = self.known.lock();
        let entry = known.sandboxes.get_mut(id).ok_or_else(|| SubstrateError::Gone(id.clone()))?;
        entry.listeners.remove(&address).ok_or_else(|| SubstrateError::Gone(id.clone()))
    }

    async fn dial(
        &self,
        id: &SandboxId,
        address: SocketAddrV4,
        limit: Duration,
    ) -> Result<TcpStream, SubstrateError> {
        let connection = self.connect(Verb::Attach).await?;
        dial::dial(&connection, id, address, limit).await
    }

    async fn wait(&self, id: &SandboxId, container: &str) -> Result<Exit, SubstrateError> {
        self.end(id, container).await.map(|end| end.exit)
    }

    async fn output(
        &self,
        id: &SandboxId,
        container: &str,
    ) -> Result<BoxStream<'static, OutputChunk>, SubstrateError> {
        let attach = |error| SubstrateError::Unreachable(Verb::Attach, error);
        let kept = {
            let mut known = self.known.lock();
            let entry =
                known.sandboxes.get_mut(id).ok_or_else(|| SubstrateError::Gone(id.clone()))?;
            entry.outputs.remove(container)
        };
        if let Some([out, err]) = kept {
            return output::stream(out, err).map_err(attach);
        }
        let connection = self.connect(Verb::Attach).await?;
        let request = Request::Output { id: id.clone(), container: container.to_owned() };
        let (_, fds) =
            connection.ask(request).await.map_err(|failure| failure.into_error(Verb::Attach))?;
        match <[_; 2]>::try_from(fds) {
            Ok([out, err]) => output::stream(out, err).map_err(attach),
            Err(_) => Err(SubstrateError::Gone(id.clone())),
        }
    }

    async fn signal(
        &self,
        id: &SandboxId,
        container: &str,
        signal: i32,
    ) -> Result<(), SubstrateError> {
        let container = container.to_owned();
        self.ask(Verb::Signal, Request::Signal { id: id.clone(), container, signal }).await
    }

    async fn freeze(&self, id: &SandboxId, frozen: bool) -> Result<(), SubstrateError> {
        self.freeze_group(id, None, frozen).await
    }

    async fn stats(&self, id: &SandboxId) -> Result<Stats, SubstrateError> {
        self.look(id, None)
    }

    async fn memory_peak(&self, id: &SandboxId) -> Result<u64, SubstrateError> {
        self.peak(id)
    }

    async fn reset_peak(&self, id: &SandboxId) -> Result<(), SubstrateError> {
        self.start_peak_anew(id)
    }

    async fn resize(&self, id: &SandboxId, limits: &Limits) -> Result<(), SubstrateError> {
        self.ask(Verb::Signal, Request::Resize { id: id.clone(), limits: limits.clone() }).await
    }

    async fn prepare(&self, templates: Vec<(WarmTemplate, usize)>) -> Result<(), SubstrateError> {
        self.templates.lock().clone_from(&templates);
        self.ask(Verb::Ensure, Request::Prepare(templates)).await
    }

    fn images(&self) -> Option<Arc<dyn ImageStore>> {
        self.config.images.clone().map(|store| store as Arc<dyn ImageStore>)
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }
}

/// A failure that means nothing is known about the effect.
fn lost() -> Failure {
    Failure::Failed("the helper process went away".into())
}
