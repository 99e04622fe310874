//! What a command says, written to the log that its cluster's `executeCommandConfiguration`
//! names. AWS writes it at the session's end too.

use std::time::Duration;

use haar_ecs_contract::model::{ContainerDefinition, ExecuteCommandLogging, LogDriver};
use haar_logs_contract::peek::{LogLine, LogSink};
use haar_types::{AccountId, Region};

use crate::Ecs;
use crate::doors::StreamName;
use crate::rules::awslogs::AwsLogs;
use crate::state::ClusterRow;

/// Most bytes that are kept of one session; what comes later is not in the log. *Ours*.
const BYTES_MAX: usize = 1 << 20;
/// Most bytes of one event of CloudWatch Logs that is sure to be taken.
const LINE_BYTES_MAX: usize = 200 << 10;
/// How long the log may take to be there.
const LOG_MAX: Duration = Duration::from_secs(5);

/// A log group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TranscriptTo {
    region: Region,
    group: String,
    /// Who writes: the task's role.
    role: Option<String>,
}

impl TranscriptTo {
    /// Where a cluster wants what is said in a container, and as whom it is written. Only CloudWatch Logs: there is no
    /// writing to S3. *Developer Guide > ECS Exec > Logging*.
    pub(crate) fn of(
        cluster: &ClusterRow,
        container: Option<&ContainerDefinition>,
        role: Option<String>,
    ) -> Option<Self> {
        let configuration = cluster.configuration.as_ref();
        let exec = configuration.and_then(|one| one.execute_command_configuration.as_ref());
        match exec.and_then(|exec| exec.logging).unwrap_or(ExecuteCommandLogging::Default) {
            ExecuteCommandLogging::None => None,
            ExecuteCommandLogging::Override => {
                let logs = exec?.log_configuration.as_ref()?;
                let group = logs.cloud_watch_log_group_name.clone()?;
                Some(Self { region: cluster.key.region.clone(), group, role })
            }
            ExecuteCommandLogging::Default => {
                let logs = container?.log_configuration.as_ref()?;
                let logs = Some(logs).filter(|logs| logs.log_driver == LogDriver::Awslogs)?;
                let logs = AwsLogs::read(logs).ok()?;
                Some(Self { region: logs.region.parse().ok()?, group: logs.group, role })
            }
        }
    }
}

/// What a command has said.
pub(super) struct Transcript {
    to: Option<TranscriptTo>,
    said: Vec<u8>,
}

impl Transcript {
    pub(super) fn new(to: Option<TranscriptTo>) -> Self {
        Self { to, said: Vec::new() }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        let room = BYTES_MAX - self.said.len();
        if self.to.is_some() {
            self.said.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    /// Writes it into a stream that is named after the session.
    pub(super) async fn keep(self, room: &Ecs, session: &str, account: &AccountId) {
        let (Some(to), false) = (self.to, self.said.is_empty()) else { return };
        let Some(sink) = room.doors.peeks.get::<dyn LogSink>() else { return };
        let stream = StreamName {
            account: account.clone(),
            region: to.region,
            group: to.group,
            stream: session.to_owned(),
        };
        let ensured = room.task_doors.logs.ensure(&stream, false, to.role.as_deref());
        match room.doors.clock.timeout(LOG_MAX, ensured).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return tracing::warn!(%error, %session, "no log of a session"),
            Err(_) => return tracing::warn!(%session, "no log of a session: it took too long"),
        }
        let now = room.doors.clock.now();
        let lines = lines(&self.said);
        let events = lines.into_iter().map(|message| LogLine { timestamp: now, message });
        sink.append(&stream.account, &stream.region, &stream.group, session, events.collect());
    }
}

/// Lines as a terminal would end them, without empty ones.
fn lines(said: &[u8]) -> Vec<String> {
    let pieces = said.split(|byte| *byte == b'\n').flat_map(|line| line.chunks(LINE_BYTES_MAX));
    let text = |piece: &[u8]| String::from_utf8_lossy(piece).trim_end_matches('\r').to_owned();
    pieces.map(text).filter(|line| !line.is_empty()).collect()
}
