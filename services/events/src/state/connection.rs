//! Connections and API destinations.

use haar_events_contract::model::{ApiDestinationHttpMethod, ConnectionAuthorizationType};
use haar_ledger::Row;
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::NameKey;

/// How somebody is called: the credentials, and what goes along with every call. Writer:
/// operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ConnectionRow {
    pub(crate) key: NameKey,
    /// A UUID, the last part of its ARN.
    pub(crate) id: String,
    pub(crate) description: Option<String>,
    pub(crate) kind: ConnectionAuthorizationType,
    /// The parameters as they were given, sealed. *Ours*: AWS keeps them in a secret.
    pub(crate) sealed: Vec<u8>,
    /// False once its credentials were taken off.
    pub(crate) is_authorized: bool,
    /// Kept and shown.
    pub(crate) kms_key: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
    pub(crate) authorized_at: Timestamp,
}

impl ConnectionRow {
    pub(crate) fn arn(&self) -> String {
        format!("{}/{}", self.key.arn("connection"), self.id)
    }
}

impl Row for ConnectionRow {
    type Key = NameKey;
    const TABLE: &'static str = "events.connection";

    fn key(&self) -> NameKey {
        self.key.clone()
    }
}

/// Who is called, and how often at most. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DestinationRow {
    pub(crate) key: NameKey,
    /// A UUID, the last part of its ARN.
    pub(crate) id: String,
    pub(crate) description: Option<String>,
    pub(crate) connection_arn: String,
    /// A URL; stars in its path stand for the target's parameters.
    pub(crate) endpoint: String,
    pub(crate) method: ApiDestinationHttpMethod,
    pub(crate) rate_per_second: u32,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
}

impl DestinationRow {
    pub(crate) fn arn(&self) -> String {
        format!("{}/{}", self.key.arn("api-destination"), self.id)
    }
}

impl Row for DestinationRow {
    type Key = NameKey;
    const TABLE: &'static str = "events.api_destination";

    fn key(&self) -> NameKey {
        self.key.clone()
    }
}
