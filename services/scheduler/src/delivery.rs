//! One execution of a schedule on its way to its target.

mod attempt;
mod carrier;
mod dead_letter;

use bytes::Bytes;
use haar_scheduler_contract::model::Target;
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use attempt::SERVICE_PRINCIPAL;
pub(crate) use carrier::Porter;

use crate::state::ScheduleKey;

/// What a schedule asks for at one instant; the target as it was then.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Execution {
    pub(crate) schedule: ScheduleKey,
    pub(crate) target: Target,
    pub(crate) scheduled_at: Timestamp,
    pub(crate) id: String,
}

impl Execution {
    pub(crate) fn to_bytes(&self) -> Bytes {
        serde_json::to_vec(self).expect("an execution is plain data").into()
    }
}
