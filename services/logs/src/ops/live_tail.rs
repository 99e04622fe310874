//! Live tail: events as they come in.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use haar_clock::{Clock, Moment};
use haar_kernel::{Answer, Call, Flow};
use haar_logs_contract::model::{
    LiveTailSessionLogEvent, LiveTailSessionMetadata, LiveTailSessionStart, LiveTailSessionUpdate,
    SessionTimeoutException, StartLiveTail, StartLiveTailRequest, StartLiveTailResponse,
    StartLiveTailResponseStream,
};
use haar_wire::{AwsError, EventStream};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use crate::Logs;
use crate::lookup::{find_group, identified_group};
use crate::refusal;
use crate::rules::filter_pattern::FilterPattern;
use crate::state::GroupKey;
use crate::tail::Arrived;

/// A session sends one update each second, with at most so many events.
const UPDATE_EVERY: Duration = Duration::from_secs(1);
const UPDATE_COUNT_MAX: usize = 500;
/// Events that wait for a client which is slower than the log; then the oldest are dropped.
const WAITING_COUNT_MAX: usize = 5000;
/// Sessions end after three hours.
const SESSION_MAX: Duration = Duration::from_secs(3 * 3600);

/// AWS docs: *CloudWatch Logs API Reference > StartLiveTail*.
impl Flow<StartLiveTail> for Logs {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: StartLiveTailRequest,
    ) -> Answer<StartLiveTail> {
        let snapshot = self.doors.ledger.snapshot();
        let mut groups = Vec::new();
        for identifier in &input.log_group_identifiers {
            let key = identified_group(&call, identifier)?;
            find_group(&snapshot, &key)?;
            groups.push(key);
        }
        let (names, prefixes) = (&input.log_stream_names, &input.log_stream_name_prefixes);
        if names.is_some() && prefixes.is_some() {
            return Err(refusal::invalid(
                "logStreamNames and logStreamNamePrefixes are mutually exclusive parameters.",
            ));
        }
        if groups.len() > 1 && (names.is_some() || prefixes.is_some()) {
            return Err(refusal::invalid(
                "Log stream filters can only be used with a single log group.",
            ));
        }
        let pattern = input.log_event_filter_pattern.as_deref().unwrap_or_default();
        let pattern =
            FilterPattern::parse(pattern).map_err(|error| refusal::invalid(error.to_string()))?;
        let clock = self.doors.clock.clone();
        let session = Session {
            arrived: self.sink.tail.listen(),
            wanted: Wanted { groups, pattern, names: names.clone(), prefixes: prefixes.clone() },
            waiting: VecDeque::new(),
            start: Some(session_start(&call, input)),
            ends_at: clock.moment().after(SESSION_MAX),
            next_at: clock.moment().after(UPDATE_EVERY),
            clock,
            has_ended: false,
        };
        let updates = stream::unfold(session, |mut session| async move {
            let update = session.next().await?;
            Some((update, session))
        });
        Ok(StartLiveTailResponse { response_stream: EventStream::new(updates) })
    }
}

fn session_start(call: &Call, input: StartLiveTailRequest) -> LiveTailSessionStart {
    LiveTailSessionStart {
        request_id: Some(call.request_id.as_str().to_owned()),
        session_id: Some(call.ids.uuid()),
        log_group_identifiers: Some(input.log_group_identifiers),
        log_stream_names: input.log_stream_names,
        log_stream_name_prefixes: input.log_stream_name_prefixes,
        log_event_filter_pattern: input.log_event_filter_pattern,
    }
}

/// What a session shows.
struct Wanted {
    groups: Vec<GroupKey>,
    pattern: FilterPattern,
    names: Option<Vec<String>>,
    prefixes: Option<Vec<String>>,
}

impl Wanted {
    fn has_stream(&self, arrived: &Arrived) -> bool {
        let name = &arrived.stream.name;
        let by_prefix = |prefixes: &Vec<String>| prefixes.iter().any(|p| name.starts_with(p));
        self.groups.contains(&arrived.stream.group)
            && self.names.as_ref().is_none_or(|names| names.contains(name))
            && self.prefixes.as_ref().is_none_or(by_prefix)
    }
}

struct Session {
    arrived: Receiver<Arc<Arrived>>,
    wanted: Wanted,
    waiting: VecDeque<LiveTailSessionLogEvent>,
    start: Option<LiveTailSessionStart>,
    ends_at: Moment,
    next_at: Moment,
    clock: Clock,
    has_ended: bool,
}

impl Session {
    async fn next(&mut self) -> Option<Result<StartLiveTailResponseStream, AwsError>> {
        if let Some(start) = self.start.take() {
            return Some(Ok(StartLiveTailResponseStream::SessionStart(start)));
        }
        if self.has_ended {
            return None;
        }
        self.clock.sleep_until(self.next_at).await;
        if self.clock.moment() >= self.ends_at {
            self.has_ended = true;
            return Some(Err(SessionTimeoutException::message("Session has timed out").into()));
        }
        self.next_at = self.clock.moment().after(UPDATE_EVERY);
        let mut sampled = self.gather();
        let count = self.waiting.len().min(UPDATE_COUNT_MAX);
        sampled |= self.waiting.len() > WAITING_COUNT_MAX;
        let drop_count = self.waiting.len().saturating_sub(WAITING_COUNT_MAX);
        self.waiting.drain(..drop_count);
        Some(Ok(StartLiveTailResponseStream::SessionUpdate(LiveTailSessionUpdate {
            session_metadata: Some(LiveTailSessionMetadata { sampled: Some(sampled) }),
            session_results: Some(self.waiting.drain(..count).collect()),
        })))
    }

    /// Takes in what has arrived; true where some of it was lost.
    fn gather(&mut self) -> bool {
        let mut lost = false;
        loop {
            match self.arrived.try_recv() {
                Ok(batch) if self.wanted.has_stream(&batch) => {
                    let fits = batch.events.iter().filter(|(_, m)| self.wanted.pattern.matches(m));
                    self.waiting.extend(fits.map(|event| shown(&batch, event)));
                }
                Ok(_) => {}
                Err(TryRecvError::Lagged(_)) => lost = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return lost,
            }
        }
    }
}

fn shown(
    batch: &Arrived,
    (timestamp, message): &(haar_types::Timestamp, String),
) -> LiveTailSessionLogEvent {
    let group = &batch.stream.group;
    LiveTailSessionLogEvent {
        log_stream_name: Some(batch.stream.name.clone()),
        log_group_identifier: Some(format!("{}:{}", group.account, group.name)),
        message: Some(message.clone()),
        timestamp: Some(timestamp.0),
        ingestion_time: Some(batch.ingested_at.0),
    }
}
