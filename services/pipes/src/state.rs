//! The room's table.

use haar_kernel::Call;
use haar_ledger::{Row, Tables};
use haar_pipes_contract::model::{
    PipeEnrichmentParameters, PipeLogConfiguration, PipeSourceParameters, PipeState,
    PipeTargetParameters, RequestedPipeStateDescribeResponse as Desired,
};
use haar_types::{AccountId, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

/// Names a pipe.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct PipeKey {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) name: String,
}

impl PipeKey {
    /// A pipe of the caller's.
    pub(crate) fn own(call: &Call, name: &str) -> Self {
        let name = name.to_owned();
        Self { account: call.account.clone(), region: call.region.clone(), name }
    }

    pub(crate) fn arn(&self) -> String {
        let Self { account, region, name } = self;
        format!("arn:aws:pipes:{region}:{account}:pipe/{name}")
    }

    /// Reads a pipe's ARN.
    pub(crate) fn of_arn(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':').skip(2);
        let (service, region) = (parts.next()?, parts.next()?.parse().ok()?);
        let account = parts.next()?.parse().ok()?;
        let name = parts.next()?.strip_prefix("pipe/")?;
        (service == "pipes").then(|| Self { account, region, name: name.to_owned() })
    }
}

/// A pipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PipeRow {
    pub(crate) key: PipeKey,
    /// Names its checkpoints: another pipe of the same name begins anew.
    pub(crate) id: String,
    pub(crate) description: Option<String>,
    /// Writer: operations.
    pub(crate) desired: Desired,
    /// Writer: operations write what is about to happen, `controllers::pipes` what has.
    pub(crate) current: PipeState,
    /// Before the update that is under way. Writers: `UpdatePipe`, `controllers::pipes`.
    #[serde(default)]
    pub(crate) before: Option<Box<PipeRow>>,
    /// It goes on as it was before an update that failed. Writer: `controllers::pipes`.
    #[serde(default)]
    pub(crate) goes_on: bool,
    /// Why it failed. Writer: `controllers::pipes`.
    pub(crate) reason: Option<String>,
    pub(crate) source: String,
    pub(crate) source_parameters: PipeSourceParameters,
    pub(crate) enrichment: Option<String>,
    pub(crate) enrichment_parameters: Option<PipeEnrichmentParameters>,
    pub(crate) target: String,
    pub(crate) target_parameters: Option<PipeTargetParameters>,
    pub(crate) role_arn: String,
    pub(crate) logging: Option<PipeLogConfiguration>,
    /// Kept and shown.
    pub(crate) kms_key: Option<String>,
    pub(crate) tags: Tags,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
}

impl PipeRow {
    /// True while the controller is about to do something with it.
    pub(crate) fn is_in_transition(&self) -> bool {
        matches!(
            self.current,
            PipeState::Creating
                | PipeState::Updating
                | PipeState::Deleting
                | PipeState::Starting
                | PipeState::Stopping
        )
    }

    /// True where a poller is to run.
    pub(crate) fn is_read(&self) -> bool {
        match self.current {
            PipeState::Running => true,
            PipeState::UpdateFailed => self.goes_on,
            _ => false,
        }
    }

    /// As it was before its update, which failed for that reason, with the tags it has by now.
    pub(crate) fn rolled_back(now: &Self, before: &Self, reason: Option<String>) -> Self {
        let goes_on = before.is_read();
        let (current, before) = (PipeState::UpdateFailed, before.clone());
        Self { current, goes_on, reason, before: None, tags: now.tags.clone(), ..before }
    }

    /// True where one poller serves both rows.
    pub(crate) fn moves_like(&self, other: &Self) -> bool {
        let moving = |row: &Self| Self {
            description: None,
            reason: None,
            before: None,
            tags: Tags::new(),
            kms_key: None,
            modified_at: Timestamp(0),
            ..row.clone()
        };
        moving(self) == moving(other)
    }
}

impl Row for PipeRow {
    type Key = PipeKey;
    const TABLE: &'static str = "pipes.pipe";

    fn key(&self) -> PipeKey {
        self.key.clone()
    }
}

/// The room's tables, for the ledger.
pub fn tables() -> Tables {
    Tables::new().with::<PipeRow>()
}
