//! A fleet with everything around it in memory.

#![allow(dead_code, unreachable_pub, clippy::disallowed_methods, clippy::unwrap_used)]

pub mod plain;

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use haar_blobs::Digest;
use haar_clock::{Clock, IdSource};
use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_kernel::ApiDoor;
use haar_lambda::doors::*;
use haar_lambda::fleet::*;
use haar_logs_contract::peek::{LogLine, LogSink};
use haar_substrate::SandboxId;
use haar_types::{AccountId, MemoryMib, Region, RequestId};
use parking_lot::Mutex;
use serde_json::Value;

pub struct Cloud {
    pub dir: tempfile::TempDir,
    pub fleet: Fleet,
    pub sinks: Arc<Sinks>,
    pub substrate: Arc<plain::Plain>,
}

#[derive(Default)]
pub struct Sinks {
    pub lines: Mutex<Vec<(String, String, String)>>,
    pub metrics: Mutex<Vec<(String, f64)>>,
    pub usage: Mutex<Vec<Usage>>,
    /// What images' names stand for; a name that is not here is no image's.
    pub images: Mutex<BTreeMap<String, Result<Digest, ImageFailure>>>,
    /// Why pulls fail, where they do.
    pub pull_failure: Mutex<Option<ImageFailure>>,
    pub pulls: Mutex<Vec<ImageRequest>>,
}

impl LogSink for Sinks {
    fn has_group(&self, _account: &AccountId, _region: &Region, _group: &str) -> bool {
        true
    }

    fn append(&self, _: &AccountId, _: &Region, group: &str, stream: &str, events: Vec<LogLine>) {
        let mut lines = self.lines.lock();
        for event in events {
            lines.push((group.to_owned(), stream.to_owned(), event.message));
        }
    }
}

impl MetricSink for Sinks {
    fn record(&self, sample: Sample<'_>) {
        if sample.dimensions.len() == 1 {
            self.metrics.lock().push((sample.metric.to_owned(), sample.value));
        }
    }
}

impl UsageSink for Sinks {
    fn record(&self, _: &AccountId, _: &Region, usage: &Usage) {
        self.usage.lock().push(usage.clone());
    }
}

impl Outside for Sinks {
    fn allows(&self, _: Ipv4Addr) -> bool {
        true
    }

    fn places(&self) -> Arc<tokio::sync::Semaphore> {
        Arc::new(tokio::sync::Semaphore::new(64))
    }
}

#[async_trait]
impl CredentialSource for Sinks {
    async fn credentials(
        &self,
        _: &AccountId,
        role: &str,
        _: &str,
    ) -> Result<Option<RoleCredentials>, NotAssumable> {
        Ok(Some(RoleCredentials {
            access_key_id: "ASIAEXAMPLE".to_owned(),
            secret_access_key: "secret".to_owned(),
            session_token: role.to_owned(),
        }))
    }
}

#[async_trait]
impl FunctionImages for Sinks {
    async fn resolve(&self, request: &ImageRequest) -> Result<Digest, ImageFailure> {
        let found = self.images.lock().get(&request.uri).cloned();
        found.unwrap_or(Err(ImageFailure::Missing))
    }

    async fn pull(&self, request: &ImageRequest) -> Result<(), ImageFailure> {
        self.pulls.lock().push(request.clone());
        self.pull_failure.lock().clone().map_or(Ok(()), Err)
    }
}

impl ApiDoor for Sinks {
    fn serve(&self, _: &SandboxId, mut stream: tokio::net::TcpStream) -> BoxFuture<'static, ()> {
        let served = tokio::spawn(async move {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhaar").await;
        });
        Box::pin(async move { drop(served.await) })
    }

    fn make_room(&self, _: &SandboxId) {}
}

impl Cloud {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut FleetSettings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let sinks = Arc::new(Sinks::default());
        let substrate = Arc::new(plain::Plain::default());
        let doors = FleetDoors {
            substrate: substrate.clone(),
            clock: Clock::system(),
            ids: IdSource::system(),
            logs: sinks.clone(),
            metrics: sinks.clone(),
            usage: sinks.clone(),
            credentials: sinks.clone(),
            api: sinks.clone(),
            images: sinks.clone(),
            outside: sinks.clone(),
        };
        let mut settings = FleetSettings::new(dir.path().to_owned());
        change(&mut settings);
        Self { fleet: Fleet::new(doors, settings), dir, sinks, substrate }
    }

    /// A function of one file.
    pub fn function(&self, runtime: &str, handler: &str, files: &[(&str, &str)]) -> FunctionTarget {
        let name = format!("f{}", IdSource::system().draw());
        let code = self.dir.path().join(&name);
        fs::create_dir_all(&code).unwrap();
        for (file, text) in files {
            fs::write(code.join(file), text).unwrap();
            fs::set_permissions(code.join(file), fs::Permissions::from_mode(0o755)).unwrap();
        }
        self.target(runtime, handler, name, code)
    }

    pub fn python(&self, text: &str) -> FunctionTarget {
        self.function("python3.12", "app.handler", &[("app.py", text)])
    }

    pub fn node(&self, text: &str) -> FunctionTarget {
        self.function("nodejs20.x", "index.handler", &[("index.js", text)])
    }

    pub fn target(
        &self,
        runtime: &str,
        handler: &str,
        name: String,
        code: PathBuf,
    ) -> FunctionTarget {
        FunctionTarget {
            account: AccountId::default(),
            region: Region::default(),
            version: "$LATEST".to_owned(),
            revision: "1".to_owned(),
            runtime: runtime.to_owned(),
            handler: handler.to_owned(),
            memory: MemoryMib(256),
            timeout: Duration::from_secs(20),
            ephemeral_storage: MemoryMib(512),
            environment: BTreeMap::new(),
            code,
            is_folder: false,
            image: None,
            layers: Vec::new(),
            architecture: Architecture::X86,
            role_arn: "arn:aws:iam::000000000000:role/r".to_owned(),
            logging: Logging {
                format: LogFormat::Text,
                application_level: None,
                system_level: SystemLevel::Info,
                group: format!("/aws/lambda/{name}"),
            },
            function_name: name,
        }
    }

    pub fn request(&self, target: &FunctionTarget, event: Value) -> InvokeRequest {
        InvokeRequest {
            request_id: RequestId::new(IdSource::system().uuid()),
            invoked_arn: target.arn(),
            event: Bytes::from(event.to_string()),
            client_context: None,
            trace: None,
            limits: ConcurrencyLimits::default(),
            wants_tail: true,
            alias: None,
        }
    }

    pub async fn invoke(&self, target: &FunctionTarget, event: Value) -> InvokeOutcome {
        let request = self.request(target, event);
        self.fleet.invoke(Arc::new(target.clone()), request).await.unwrap()
    }

    /// All log events, each without the line break at its end.
    pub fn log(&self) -> Vec<String> {
        let lines = self.sinks.lines.lock();
        lines.iter().map(|(_, _, message)| message.trim_end_matches('\n').to_owned()).collect()
    }
}

pub fn json(outcome: &InvokeOutcome) -> Value {
    serde_json::from_slice(&outcome.payload).unwrap()
}
