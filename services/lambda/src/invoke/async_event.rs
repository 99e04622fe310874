//! An asynchronous event, and what its queue asks of the room.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use haar_types::{AccountId, Region, Timestamp};
use serde::{Deserialize, Serialize};

use super::Link;
use crate::fleet::{ConcurrencyLimits, FunctionTarget};

/// An event that a caller was told is queued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsyncEvent {
    /// Names it in logs and records; the same for all its attempts.
    pub request_id: String,
    /// The function's account.
    pub account: AccountId,
    /// The function's region.
    pub region: Region,
    /// The function's name.
    pub function_name: String,
    /// The version or alias that was addressed; looked up anew at each attempt.
    pub qualifier: Option<String>,
    /// The ARN as the caller gave it.
    pub invoked_arn: String,
    /// The event.
    #[serde(with = "super::record_bytes")]
    pub payload: Bytes,
    /// `X-Amzn-Trace-Id`.
    pub trace: Option<String>,
    /// Its function has been in its chain of requests too often: it is not given to it.
    pub is_loop: bool,
    /// When it was accepted; its age counts from here.
    pub accepted_at: Timestamp,
    /// Writer: the queue, after each attempt. How often the function had it to the end.
    pub tried_count: u32,
    /// Writer: the queue, before each attempt and after. The function has it, or had it when
    /// haar ended.
    pub is_running: bool,
    /// Writer: the queue, at its start. How often haar ended while the function had it.
    pub interrupted_count: u32,
    /// Writer: the queue. When it is to be started next.
    pub due_at: Timestamp,
    /// Writer: the queue. How often it was turned away unstarted (throttled, no environment).
    pub turned_away_count: u32,
}

impl AsyncEvent {
    /// Attempts so far, whatever became of them.
    pub fn attempt_count(&self) -> u32 {
        self.tried_count + self.interrupted_count + u32::from(self.is_running)
    }
}

/// `PutFunctionEventInvokeConfig` and the function's dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsyncConfig {
    /// Retries after the first attempt, 0 to 2.
    pub retry_attempts_max: u32,
    /// How old an event may be when it is started.
    pub event_age_max: Duration,
    /// Where records of success go.
    pub on_success: Option<String>,
    /// Where records of failure go.
    pub on_failure: Option<String>,
    /// Where failed events go, from `DeadLetterConfig`.
    pub dead_letter: Option<String>,
}

impl Default for AsyncConfig {
    fn default() -> Self {
        Self {
            retry_attempts_max: 2,
            event_age_max: Duration::from_secs(6 * 3600),
            on_success: None,
            on_failure: None,
            dead_letter: None,
        }
    }
}

/// What an event's function is now.
#[derive(Clone, Debug)]
pub struct AsyncTarget {
    /// The version that the qualifier leads to.
    pub target: Arc<FunctionTarget>,
    /// What may run at once.
    pub limits: ConcurrencyLimits,
    /// The alias that was addressed.
    pub alias: Option<String>,
    /// How its events are treated.
    pub config: AsyncConfig,
}

/// Finds functions for the queue; the room reads its rows.
pub trait FunctionDirectory: Send + Sync {
    /// What a function's qualifier leads to now; `None` when it is gone.
    fn find(
        &self,
        account: &AccountId,
        region: &Region,
        function_name: &str,
        qualifier: Option<&str>,
    ) -> Option<AsyncTarget>;

    /// Whether a function's role may invoke another function.
    ///
    /// # Errors
    /// Why not, in words for the operator.
    fn may_invoke(&self, sender: &EventSender<'_>, function_arn: &str) -> Result<(), String> {
        let _ = (sender, function_arn);
        Ok(())
    }

    /// Continues a trace and a chain of requests with one more function; `None` when that is
    /// gone, or nobody counts.
    fn link(
        &self,
        account: &AccountId,
        region: &Region,
        function_name: &str,
        trace: Option<&str>,
    ) -> Option<Link> {
        let _ = (account, region, function_name, trace);
        None
    }
}

/// The function on whose behalf something is sent.
#[derive(Clone, Copy, Debug)]
pub struct EventSender<'a> {
    /// Its account.
    pub account: &'a AccountId,
    /// Its region.
    pub region: &'a Region,
    /// Its ARN, without version or alias.
    pub function_arn: &'a str,
    /// Its execution role, as which it is sent.
    pub role_arn: &'a str,
}

/// Delivers to what is not a function: queues, topics, buses, buckets.
#[async_trait]
pub trait EventTarget: Send + Sync {
    /// Delivers one message, with attributes where the target has such.
    ///
    /// # Errors
    /// In words for the operator: why it was not delivered.
    async fn deliver(
        &self,
        sender: &EventSender<'_>,
        destination_arn: &str,
        body: Bytes,
        attributes: &[(&str, String)],
    ) -> Result<(), String>;
}
