//! Kinesis streams that tables' changes go to.

use haar_dynamodb_contract::{ApproximateCreationDateTimePrecision, DestinationStatus};
use serde::{Deserialize, Serialize};

/// One stream. Writers: operations; `controllers::tables` for the ends of what takes time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Capture {
    pub(crate) stream_arn: String,
    pub(crate) status: DestinationStatus,
    pub(crate) precision: ApproximateCreationDateTimePrecision,
}

impl Capture {
    /// True while changes go there.
    pub(crate) fn takes(&self) -> bool {
        matches!(self.status, DestinationStatus::Active | DestinationStatus::Updating)
    }

    /// Where it goes from what it is on its way to.
    pub(crate) fn settled(&self) -> Option<DestinationStatus> {
        match self.status {
            DestinationStatus::Enabling | DestinationStatus::Updating => {
                Some(DestinationStatus::Active)
            }
            DestinationStatus::Disabling => Some(DestinationStatus::Disabled),
            _ => None,
        }
    }
}
