//! Event source mappings.

use std::ops::RangeInclusive;

use haar_lambda_contract::model::EventSourceMappingConfiguration;
use haar_ledger::{IndexEntry, Row};
use haar_types::{AccountId, Arn, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::QualifiedKey;

/// A mapping's name: account, region, UUID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventSourceMappingKey {
    /// The owner.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
    /// `UUID`.
    pub uuid: String,
}

impl EventSourceMappingKey {
    /// Names a mapping.
    pub fn new(account: &AccountId, region: &Region, uuid: &str) -> Self {
        Self { account: account.clone(), region: region.clone(), uuid: uuid.to_owned() }
    }

    /// `arn:aws:lambda:REGION:ACCOUNT:event-source-mapping:UUID`.
    pub fn arn(&self) -> Arn {
        Arn::mint("lambda", &self.region, &self.account, "event-source-mapping:", &self.uuid)
    }

    /// All of an account in a region.
    pub fn all(account: &AccountId, region: &Region) -> RangeInclusive<Self> {
        Self::new(account, region, "")..=Self::new(account, region, "~")
    }
}

/// One mapping from an event source to a function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventSourceMappingRow {
    /// Key.
    pub key: EventSourceMappingKey,
    /// The function, with the qualifier that its maker named.
    pub function: QualifiedKey,
    /// Writer: operations. What is asked for: to be polled, or not.
    pub enabled: bool,
    /// Writer: operations (what is under way) and `controllers::mappings` (what is reached).
    pub state: MappingState,
    /// Writer: operations. All that the wire shows, but what other columns hold.
    pub settings: EventSourceMappingConfiguration,
    /// Its tags.
    pub tags: Tags,
    /// When it was last changed.
    pub last_modified_at: Timestamp,
}

impl EventSourceMappingRow {
    /// The index of mappings by their source's ARN.
    pub const BY_SOURCE: &'static str = "source";
    /// The index of mappings by their function's unqualified ARN.
    pub const BY_FUNCTION: &'static str = "function";
}

impl Row for EventSourceMappingRow {
    type Key = EventSourceMappingKey;
    const TABLE: &'static str = "lambda.event_source_mapping";

    fn key(&self) -> EventSourceMappingKey {
        self.key.clone()
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        let function = IndexEntry::new(Self::BY_FUNCTION, self.function.function.arn());
        let source = self.settings.event_source_arn.as_deref();
        let source = source.map(|arn| IndexEntry::new(Self::BY_SOURCE, arn));
        std::iter::once(function).chain(source).collect()
    }
}

/// `State`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MappingState {
    /// Just made.
    Creating,
    /// On its way to be polled.
    Enabling,
    /// Polled.
    Enabled,
    /// On its way not to be polled.
    Disabling,
    /// Not polled.
    Disabled,
    /// Its settings are changing.
    Updating,
    /// Going away.
    Deleting,
}

impl MappingState {
    /// As the wire has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Enabling => "Enabling",
            Self::Enabled => "Enabled",
            Self::Disabling => "Disabling",
            Self::Disabled => "Disabled",
            Self::Updating => "Updating",
            Self::Deleting => "Deleting",
        }
    }

    /// Nothing is under way.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Enabled | Self::Disabled)
    }
}
