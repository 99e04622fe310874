//! What the fleet asks of the rest of haar.

use std::sync::Arc;

use async_trait::async_trait;
use haar_clock::{Clock, IdSource};
use haar_cloudwatch_contract::peek::MetricSink;
use haar_logs_contract::peek::LogSink;
use haar_substrate::Substrate;
use haar_types::{AccountId, Region};
use tokio::net::TcpStream;

use crate::fleet::Usage;

/// Temporary credentials of a function's role.
#[derive(Clone, PartialEq, Eq)]
pub struct RoleCredentials {
    /// `ASIA…`
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// Its session's token.
    pub session_token: String,
}

/// Gives functions their role's credentials.
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// New credentials for a session named after the function; `None` leaves the environment
    /// without.
    async fn credentials(
        &self,
        account: &AccountId,
        role_arn: &str,
        session: &str,
    ) -> Option<RoleCredentials>;
}

/// haar's own API, for code inside functions: takes connections that were accepted inside a
/// sandbox.
pub trait ApiDoor: Send + Sync {
    /// Serves one connection; returns at once.
    fn serve(&self, stream: TcpStream);
}

/// The bill: one call for each invocation that was billed.
pub trait UsageSink: Send + Sync {
    /// Adds one invocation. Never blocks.
    fn record(&self, account: &AccountId, region: &Region, usage: &Usage);
}

/// All doors of the fleet. Cheap to clone.
#[derive(Clone)]
pub struct FleetDoors {
    /// Runs the sandboxes.
    pub substrate: Arc<dyn Substrate>,
    /// Time.
    pub clock: Clock,
    /// Chance.
    pub ids: IdSource,
    /// Where log lines go.
    pub logs: Arc<dyn LogSink>,
    /// Where metric values go.
    pub metrics: Arc<dyn MetricSink>,
    /// Where usage goes.
    pub usage: Arc<dyn UsageSink>,
    /// Who gives credentials.
    pub credentials: Arc<dyn CredentialSource>,
    /// haar's API, for the code inside.
    pub api: Arc<dyn ApiDoor>,
}
