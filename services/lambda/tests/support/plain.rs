//! A substrate for tests: plain processes with `unshare`, their own loopback and mounts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::Stdio as Pipe;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::StreamExt as _;
use haar_substrate::*;
use parking_lot::Mutex;
use tokio::io::AsyncRead as _;
use tokio::sync::watch;

#[derive(Default)]
pub struct Plain {
    all: Mutex<BTreeMap<SandboxId, Arc<Sandbox>>>,
    pub freezes: Mutex<Vec<bool>>,
    pub images: Arc<sim::SimImages>,
}

struct Sandbox {
    labels: BTreeMap<String, String>,
    pid: i32,
    listeners: Mutex<BTreeMap<SocketAddrV4, TcpListener>>,
    output: Mutex<Option<BoxStream<'static, OutputChunk>>>,
    exit: watch::Receiver<Option<Exit>>,
}

const SCRIPT: &str = r#"
exec 3<&0 0</dev/null
ip link set lo up
mount -t tmpfs none /var && mkdir -p /var/task /var/runtime && mount -t tmpfs none /opt
eval "$MOUNTS"
read -r go < "$GATE"
cd /var/task
exec env -i HAAR_ASSIGN_FD=3 "$@"
"#;

#[async_trait]
impl Substrate for Plain {
    fn images(&self) -> Option<Arc<dyn ImageStore>> {
        Some(self.images.clone())
    }

    async fn ensure(&self, spec: SandboxSpec) -> Result<SandboxStatus, SubstrateError> {
        let container = spec.containers.last().unwrap().clone();
        let gate = std::env::temp_dir().join(format!("gate-{}", spec.id));
        assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());
        let mut mounts =
            container.template.iter().flat_map(|t| t.mounts.clone()).collect::<Vec<_>>();
        mounts.extend(container.mounts.clone());
        let lines: Vec<String> = mounts
            .iter()
            .map(|mount| match mount {
                Mount::Bind { source, target, .. } => {
                    format!(
                        "[ -e {target} ] || mkdir -p {target}; mount --bind {} {target}",
                        source.display()
                    )
                }
                Mount::Union { sources, target } => {
                    let lower: Vec<String> =
                        sources.iter().rev().map(|source| source.display().to_string()).collect();
                    format!("mount -t overlay overlay -o lowerdir={} {target}", lower.join(":"))
                }
                _ => String::new(),
            })
            .collect();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut command = tokio::process::Command::new("unshare");
        command.args(["-n", "-m", "sh", "-c", SCRIPT, "sh"]);
        command.args(container.env.iter().map(|(name, value)| format!("{name}={value}")));
        command.args(&container.argv);
        command.env("MOUNTS", lines.join("\n")).env("GATE", &gate);
        command.stdin(OwnedFd::from(theirs)).stdout(Pipe::piped()).stderr(Pipe::piped());
        command.kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let pid = child.id().unwrap();
        drop(command); // our copy of their end
        // a test may find the namespace not entered yet: wait for the shell at its gate
        let no_wait = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let mut gate_file = loop {
            match File::options().write(true).custom_flags(no_wait).open(&gate) {
                Ok(file) => break file,
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        let _ = std::fs::remove_file(&gate);
        let listen = spec.listen.clone();
        let listeners = std::thread::spawn(move || {
            enter_network(pid as i32);
            listen.into_iter().map(|at| (at, TcpListener::bind(at).unwrap())).collect()
        });
        let listeners: BTreeMap<_, _> = listeners.join().unwrap();
        gate_file.write_all(b"go\n").unwrap();
        if let Some(assignment) = container.assignment {
            std::thread::spawn(move || (&ours).write_all(&assignment));
        }
        let out = chunks(child.stdout.take().unwrap().into_owned_fd().unwrap(), Stdio::Out);
        let err = chunks(child.stderr.take().unwrap().into_owned_fd().unwrap(), Stdio::Err);
        let (ended, exit) = watch::channel(None);
        tokio::spawn(async move {
            use std::os::unix::process::ExitStatusExt as _;
            let status = child.wait().await.unwrap();
            let (code, signal) = (status.code(), status.signal());
            let _ = ended.send(Some(Exit { code, signal, out_of_memory: false }));
        });
        let sandbox = Sandbox {
            labels: spec.labels,
            pid: pid as i32,
            listeners: Mutex::new(listeners),
            output: Mutex::new(Some(futures_util::stream::select(out, err).boxed())),
            exit,
        };
        self.all.lock().insert(spec.id.clone(), Arc::new(sandbox));
        let (labels, containers) = Default::default();
        Ok(SandboxStatus { id: spec.id, labels, containers, network: None, warm: false })
    }

    async fn remove(&self, id: &SandboxId, _grace: Duration) -> Result<(), SubstrateError> {
        let sandbox = self.all.lock().remove(id);
        if let Some(sandbox) = sandbox {
            let _ = self.kill(sandbox.pid, rustix::process::Signal::KILL);
            let mut exit = sandbox.exit.clone();
            let _ = exit.wait_for(Option::is_some).await;
        }
        Ok(())
    }

    async fn list(&self) -> Result<Vec<SandboxStatus>, SubstrateError> {
        let all = self.all.lock();
        let status = |(id, sandbox): (&SandboxId, &Arc<Sandbox>)| SandboxStatus {
            id: id.clone(),
            labels: sandbox.labels.clone(),
            containers: BTreeMap::new(),
            network: None,
            warm: false,
        };
        Ok(all.iter().map(status).collect())
    }

    async fn listener(
        &self,
        id: &SandboxId,
        at: SocketAddrV4,
    ) -> Result<TcpListener, SubstrateError> {
        let sandbox = self.get(id)?;
        let taken = sandbox.listeners.lock().remove(&at);
        taken.ok_or_else(|| SubstrateError::Gone(id.clone()))
    }

    async fn dial(
        &self,
        id: &SandboxId,
        address: SocketAddrV4,
        _limit: Duration,
    ) -> Result<TcpStream, SubstrateError> {
        let pid = self.get(id)?.pid;
        let dialled = std::thread::spawn(move || {
            enter_network(pid);
            let stream = TcpStream::connect(address)?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        });
        let dialled = dialled.join().unwrap();
        dialled.map_err(|error| SubstrateError::NoAnswer(id.clone(), address, error))
    }

    async fn wait(&self, id: &SandboxId, _container: &str) -> Result<Exit, SubstrateError> {
        let mut exit = self.get(id)?.exit.clone();
        let ended = exit.wait_for(Option::is_some).await.ok().and_then(|ended| *ended);
        ended.ok_or_else(|| SubstrateError::Gone(id.clone()))
    }

    async fn output(
        &self,
        id: &SandboxId,
        _container: &str,
    ) -> Result<BoxStream<'static, OutputChunk>, SubstrateError> {
        let sandbox = self.get(id)?;
        let taken = sandbox.output.lock().take();
        taken.ok_or_else(|| SubstrateError::Gone(id.clone()))
    }

    async fn signal(&self, id: &SandboxId, _: &str, signal: i32) -> Result<(), SubstrateError> {
        let signal = rustix::process::Signal::from_named_raw(signal).unwrap();
        self.kill(self.get(id)?.pid, signal)
    }

    async fn freeze(&self, id: &SandboxId, frozen: bool) -> Result<(), SubstrateError> {
        use rustix::process::Signal;
        self.freezes.lock().push(frozen);
        self.kill(self.get(id)?.pid, if frozen { Signal::STOP } else { Signal::CONT })
    }

    async fn stats(&self, id: &SandboxId) -> Result<Stats, SubstrateError> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.get(id)?.pid));
        let text = text.unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        Ok(Stats { memory_peak_bytes: kib.unwrap_or(0) << 10, ..Stats::default() })
    }

    async fn reset_peak(&self, _id: &SandboxId) -> Result<(), SubstrateError> {
        Ok(())
    }

    async fn prepare(&self, _templates: Vec<(WarmTemplate, usize)>) -> Result<(), SubstrateError> {
        Ok(())
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

impl Plain {
    fn get(&self, id: &SandboxId) -> Result<Arc<Sandbox>, SubstrateError> {
        self.all.lock().get(id).cloned().ok_or_else(|| SubstrateError::Gone(id.clone()))
    }

    fn kill(&self, pid: i32, signal: rustix::process::Signal) -> Result<(), SubstrateError> {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        let _ = rustix::process::kill_process(pid, signal);
        Ok(())
    }
}

/// Moves the calling thread into a process's network.
fn enter_network(pid: i32) {
    let file = File::open(format!("/proc/{pid}/ns/net")).unwrap();
    rustix::thread::move_into_link_name_space(
        std::os::fd::AsFd::as_fd(&file),
        Some(rustix::thread::LinkNameSpaceType::Network),
    )
    .unwrap();
}

/// Reads what is there, whether or not tokio has heard of it yet.
fn chunks(pipe: impl Into<OwnedFd>, stream: Stdio) -> BoxStream<'static, OutputChunk> {
    let fd: OwnedFd = pipe.into();
    rustix::io::ioctl_fionbio(&fd, true).unwrap();
    let pipe = tokio::net::unix::pipe::Receiver::from_owned_fd(fd).unwrap();
    let mut pipe = Some(pipe);
    futures_util::stream::poll_fn(move |cx| {
        let mut bytes = vec![0; 64 << 10];
        let Some(open) = &mut pipe else { return Poll::Ready(None) };
        let size = match rustix::io::read(&*open, &mut bytes[..]) {
            Ok(size) => size,
            Err(_) => {
                let mut space = tokio::io::ReadBuf::new(&mut bytes);
                std::task::ready!(std::pin::Pin::new(open).poll_read(cx, &mut space)).unwrap();
                space.filled().len()
            }
        };
        if size == 0 {
            pipe = None;
            return Poll::Ready(None);
        }
        bytes.truncate(size);
        Poll::Ready(Some(OutputChunk { stream, bytes: Bytes::from(bytes) }))
    })
    .boxed()
}
