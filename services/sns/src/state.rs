//! The room's tables.

mod mobile;
mod subscription;
mod topic;

use haar_ledger::Tables;

pub(crate) use mobile::{ApplicationRow, EndpointRow, OptedOutRow, SandboxRow, SmsRow};
pub(crate) use subscription::{Replay, ReplayStatus, SubscriptionKey, SubscriptionRow, of_topic};
pub(crate) use topic::{TopicKey, TopicRow};

/// Adds them to those of other rooms.
pub(crate) fn tables(tables: Tables) -> Tables {
    tables
        .with::<TopicRow>()
        .with::<SubscriptionRow>()
        .with::<ApplicationRow>()
        .with::<EndpointRow>()
        .with::<SmsRow>()
        .with::<OptedOutRow>()
        .with::<SandboxRow>()
}
