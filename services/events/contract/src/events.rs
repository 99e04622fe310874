//! Events that services put onto the default bus.

use haar_kernel::Event;
use haar_types::{AccountId, Region};
use serde::{Deserialize, Serialize};

/// An event of a service, told in the commit that it is about (`doors.outbox.tell`).
///
/// The bus completes it: version, id and time come from the telling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceEvent {
    /// Whose default bus.
    pub account: AccountId,
    /// Where.
    pub region: Region,
    /// Such as `aws.ecs`.
    pub source: String,
    /// Such as `ECS Task State Change`.
    pub detail_type: String,
    /// ARNs of what it is about.
    pub resources: Vec<String>,
    /// A JSON object.
    pub detail: String,
}

impl Event for ServiceEvent {
    const TOPIC: &'static str = "events.service_event";
}
