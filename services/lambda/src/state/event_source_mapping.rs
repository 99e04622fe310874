//! Event source mappings.

use haar_types::{AccountId, Arn, Region};
use serde::{Deserialize, Serialize};

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
    /// `arn:aws:lambda:REGION:ACCOUNT:event-source-mapping:UUID`.
    pub fn arn(&self) -> Arn {
        let (region, account) = (self.region.as_str(), self.account.as_str());
        Arn::mint("lambda", region, account, format_args!("event-source-mapping:{}", self.uuid))
    }

    /// All of an account in a region.
    pub fn all(account: &AccountId, region: &Region) -> std::ops::RangeInclusive<Self> {
        let at = |uuid: &str| Self {
            account: account.clone(),
            region: region.clone(),
            uuid: uuid.to_owned(),
        };
        at("")..=at("~")
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
