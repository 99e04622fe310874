//! Mobile push and SMS: what is kept of them. Nothing is sent; the outbox shows what would be.

use std::collections::BTreeMap;

use haar_ledger::Row;
use haar_types::{AccountId, Region, Timestamp};
use serde::{Deserialize, Serialize};

/// A platform application, by its ARN. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ApplicationRow {
    pub(crate) arn: String,
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Row for ApplicationRow {
    type Key = String;
    const TABLE: &'static str = "sns.application";

    fn key(&self) -> String {
        self.arn.clone()
    }
}

/// An application on one device, by its ARN. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EndpointRow {
    pub(crate) arn: String,
    pub(crate) application: String,
    /// `Enabled`, `Token`, `CustomUserData`.
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Row for EndpointRow {
    type Key = String;
    const TABLE: &'static str = "sns.endpoint";

    fn key(&self) -> String {
        self.arn.clone()
    }
}

/// An account's settings for SMS. Writer: `SetSMSAttributes`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SmsRow {
    pub(crate) key: (AccountId, Region),
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Row for SmsRow {
    type Key = (AccountId, Region);
    const TABLE: &'static str = "sns.sms";

    fn key(&self) -> Self::Key {
        self.key.clone()
    }
}

/// A number that wants no messages. Nobody answers `STOP` here, so none comes by itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OptedOutRow {
    pub(crate) key: (AccountId, Region, String),
}

impl Row for OptedOutRow {
    type Key = (AccountId, Region, String);
    const TABLE: &'static str = "sns.opted_out";

    fn key(&self) -> Self::Key {
        self.key.clone()
    }
}

/// A number of the sandbox for SMS. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SandboxRow {
    pub(crate) key: (AccountId, Region, String),
    /// What verifies it.
    pub(crate) code: String,
    pub(crate) is_verified: bool,
    /// When the code was sent, or told back.
    pub(crate) changed_at: Timestamp,
}

impl Row for SandboxRow {
    type Key = (AccountId, Region, String);
    const TABLE: &'static str = "sns.sandbox";

    fn key(&self) -> Self::Key {
        self.key.clone()
    }
}
