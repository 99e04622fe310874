//! The substrate's verbs.

use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use super::{SimSubstrate, Told, feed};
use crate::{
    Capabilities, ContainerSpec, End, Event, ExecSpec, Exit, Filter, ImageStore, Limits, LogChunk,
    Network, OutputChunk, SandboxId, SandboxSpec, SandboxStatus, Session, Stats, Stdio, Substrate,
    SubstrateError, TerminalSize, Verb, WarmTemplate,
};

#[async_trait]
impl Substrate for SimSubstrate {
    async fn ensure(&self, spec: SandboxSpec) -> Result<SandboxStatus, SubstrateError> {
        self.reach(Verb::Ensure)?;
        let id = spec.id.clone();
        {
            let mut state = self.shared.state.lock();
            if !state.sandboxes.contains_key(&id) {
                let sandbox = self.make(&mut state, spec)?;
                state.sandboxes.insert(id.clone(), sandbox);
            }
        }
        self.shared.started.notify_waiters();
        self.with(Verb::Ensure, &id, |sandbox| Some(sandbox.status()))
    }

    async fn start(
        &self,
        id: &SandboxId,
        container: ContainerSpec,
    ) -> Result<SandboxStatus, SubstrateError> {
        let script = self.shared.state.lock().script.clone();
        let status = self.with(Verb::Start, id, |sandbox| {
            let mut whole = sandbox.spec.clone();
            whole.containers.push(container.clone());
            let behaviour = script(&whole, Some(&container));
            let started = sandbox.start(container, &behaviour, &self.clock);
            Some(started.map(|()| sandbox.status()))
        })?;
        self.shared.started.notify_waiters();
        status
    }

    async fn stop(
        &self,
        id: &SandboxId,
        container: &str,
        grace: Duration,
    ) -> Result<End, SubstrateError> {
        let (stubborn, mut end) = self.with(Verb::Signal, id, |sandbox| {
            let found = sandbox.containers.get(container)?;
            Some((found.stubborn, found.end.subscribe()))
        })?;
        let signal = if stubborn { libc_signals::KILL } else { libc_signals::TERM };
        let killed = Exit { code: None, signal: Some(signal), out_of_memory: false };
        if stubborn {
            // it may end by itself meanwhile
            let _ = self.clock.timeout(grace, end.wait_for(Option::is_some)).await;
        }
        self.end(id, container, killed);
        self.with(Verb::Signal, id, |sandbox| sandbox.containers.get(container)?.ended())
    }

    async fn remove(&self, id: &SandboxId, _grace: Duration) -> Result<(), SubstrateError> {
        self.reach(Verb::Remove)?;
        self.shared.state.lock().sandboxes.remove(id);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<SandboxStatus>, SubstrateError> {
        self.reach(Verb::List)?;
        self.shared.catch_up(&self.clock);
        let state = self.shared.state.lock();
        Ok(state.sandboxes.values().map(super::Sandbox::status).collect())
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
        Ok(unbounded(reader))
    }

    async fn logs(
        &self,
        id: &SandboxId,
        container: &str,
        from: u64,
    ) -> Result<BoxStream<'static, LogChunk>, SubstrateError> {
        self.with(Verb::Attach, id, |sandbox| sandbox.containers.get(container).map(drop))?;
        let container = (id.clone(), container.to_owned());
        Ok(feed::logs(&self.shared, &self.clock, container, from))
    }

    async fn exec(
        &self,
        id: &SandboxId,
        container: &str,
        exec: ExecSpec,
    ) -> Result<Arc<dyn Session>, SubstrateError> {
        self.with(Verb::Exec, id, |sandbox| {
            let found = sandbox.containers.get(container)?;
            found.exit().is_none().then_some(())
        })?;
        let script = self.shared.state.lock().exec.clone();
        Ok(Arc::new(Command::new(script(id, container, &exec.argv))))
    }

    async fn watch(&self) -> Result<BoxStream<'static, Event>, SubstrateError> {
        self.reach(Verb::List)?;
        Ok(feed::events(&self.shared, &self.clock))
    }

    async fn signal(
        &self,
        id: &SandboxId,
        container: &str,
        signal: i32,
    ) -> Result<(), SubstrateError> {
        let stubborn = self.with(Verb::Signal, id, |sandbox| {
            sandbox.containers.get(container).map(|container| container.stubborn)
        })?;
        if !stubborn || signal == libc_signals::KILL {
            let exit = Exit { code: None, signal: Some(signal), out_of_memory: false };
            self.end(id, container, exit);
        }
        Ok(())
    }

    async fn freeze(&self, id: &SandboxId, frozen: bool) -> Result<(), SubstrateError> {
        self.with(Verb::Signal, id, |sandbox| {
            sandbox.frozen = frozen;
            Some(())
        })
    }

    async fn pause(
        &self,
        id: &SandboxId,
        container: &str,
        paused: bool,
    ) -> Result<(), SubstrateError> {
        self.with(Verb::Signal, id, |sandbox| {
            sandbox.containers.get_mut(container)?.paused = paused;
            Some(())
        })
    }

    async fn stats(&self, id: &SandboxId) -> Result<Stats, SubstrateError> {
        self.with(Verb::List, id, |sandbox| Some(sandbox.stats))
    }

    async fn container_stats(
        &self,
        id: &SandboxId,
        container: &str,
    ) -> Result<Stats, SubstrateError> {
        self.with(Verb::List, id, |sandbox| {
            sandbox.containers.get(container).map(|_| sandbox.stats)
        })
    }

    async fn filter(&self, id: &SandboxId, filter: Option<Filter>) -> Result<(), SubstrateError> {
        self.with(Verb::Signal, id, |sandbox| {
            if let Network::Bridged(bridged) = &mut sandbox.spec.network {
                bridged.filter = filter;
            }
            Some(())
        })
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
        self.shared.state.lock().templates = templates;
        Ok(())
    }

    fn images(&self) -> Option<Arc<dyn ImageStore>> {
        Some(self.images.clone())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            findings: Vec::new(),
            usable: true,
            hides_listeners: true,
            filters_traffic: true,
        }
    }
}

/// Signals by number, as Linux has them.
mod libc_signals {
    pub(super) const KILL: i32 = 9;
    pub(super) const TERM: i32 = 15;
}

fn unbounded<T: Send + 'static>(reader: mpsc::UnboundedReceiver<T>) -> BoxStream<'static, T> {
    let next = |mut reader: mpsc::UnboundedReceiver<T>| async {
        reader.recv().await.map(|chunk| (chunk, reader))
    };
    Box::pin(futures_util::stream::unfold(reader, next))
}

/// A command that was run by `exec`.
struct Command {
    end: watch::Sender<Option<Exit>>,
    writer: Mutex<Option<mpsc::UnboundedSender<OutputChunk>>>,
    reader: Mutex<Option<mpsc::UnboundedReceiver<OutputChunk>>>,
}

impl Command {
    fn new(told: Told) -> Self {
        let (writer, reader) = mpsc::unbounded_channel();
        for chunk in told.output {
            // the reader is ours
            let _ = writer.send(chunk);
        }
        let writer = told.exit.is_none().then_some(writer);
        let end = watch::Sender::new(told.exit);
        Self { end, writer: Mutex::new(writer), reader: Mutex::new(Some(reader)) }
    }

    fn end(&self, exit: Exit) {
        self.writer.lock().take();
        self.end.send_if_modified(|end| end.replace(end.unwrap_or(exit)).is_none());
    }
}

#[async_trait]
impl Session for Command {
    fn output(&self) -> Option<BoxStream<'static, OutputChunk>> {
        self.reader.lock().take().map(unbounded)
    }

    async fn write(&self, input: Bytes) -> Result<(), SubstrateError> {
        if let Some(writer) = &*self.writer.lock() {
            // nobody may be reading
            let _ = writer.send(OutputChunk { stream: Stdio::Out, bytes: input });
        }
        Ok(())
    }

    async fn close_input(&self) {
        self.end(Exit { code: Some(0), signal: None, out_of_memory: false });
    }

    fn resize(&self, _size: TerminalSize) {}

    async fn signal(&self, signal: i32) -> Result<(), SubstrateError> {
        self.end(Exit { code: None, signal: Some(signal), out_of_memory: false });
        Ok(())
    }

    async fn wait(&self) -> Result<Exit, SubstrateError> {
        let mut end = self.end.subscribe();
        let exit = end.wait_for(Option::is_some).await.ok().and_then(|exit| *exit);
        Ok(exit.unwrap_or_default())
    }
}
