//! Archives and replays.

use haar_events_contract::model::ReplayState;
use haar_ledger::{IndexEntry, Row};
use haar_types::{AccountId, Region, Timestamp};
use serde::{Deserialize, Serialize};

use super::BusKey;

/// Names an archive, a replay, a connection or an API destination of an account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct NameKey {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) name: String,
}

impl NameKey {
    /// One of the caller's.
    pub(crate) fn own(call: &haar_kernel::Call, name: &str) -> Self {
        let BusKey { account, region, name } = BusKey::own(call, name);
        Self { account, region, name }
    }

    pub(crate) fn arn(&self, kind: &str) -> String {
        format!("arn:aws:events:{}:{}:{kind}/{}", self.region, self.account, self.name)
    }

    /// Reads the ARN of one of this kind; an id behind the name is left out.
    pub(crate) fn of_arn(arn: &str, kind: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':').skip(2);
        let (service, region) = (parts.next()?, parts.next()?.parse().ok()?);
        let account = parts.next()?.parse().ok()?;
        let named = parts.next()?.strip_prefix(kind)?.strip_prefix('/')?;
        let name = named.split('/').next()?.to_owned();
        (service == "events").then_some(Self { account, region, name })
    }
}

/// An archive. Its events are in kv, by its incarnation. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ArchiveRow {
    pub(crate) key: NameKey,
    /// Names its events; another for an archive that is made anew.
    pub(crate) id: u64,
    pub(crate) source: BusKey,
    pub(crate) pattern: Option<String>,
    /// 0: for ever.
    pub(crate) retention_days: u32,
    pub(crate) description: Option<String>,
    /// Kept and shown.
    pub(crate) kms_key: Option<String>,
    pub(crate) created_at: Timestamp,
    /// When its expired events were removed last. Writer: `controllers::archives`.
    pub(crate) swept_at: Timestamp,
}

impl Row for ArchiveRow {
    type Key = NameKey;
    const TABLE: &'static str = "events.archive";

    fn key(&self) -> NameKey {
        self.key.clone()
    }

    /// `source`: the archives of a bus.
    fn indexes(&self) -> Vec<IndexEntry> {
        vec![IndexEntry::new("source", self.source.arn())]
    }
}

/// Events of an archive that is gone, on their way out. Writer: operations, then
/// `controllers::archives`, which removes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GoneRow {
    pub(crate) id: u64,
}

impl Row for GoneRow {
    type Key = u64;
    const TABLE: &'static str = "events.gone_archive";

    fn key(&self) -> u64 {
        self.id
    }
}

/// A replay. Writer: operations start and cancel it, `controllers::replays` moves it on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReplayRow {
    pub(crate) key: NameKey,
    pub(crate) archive: NameKey,
    /// The archive's incarnation.
    pub(crate) archive_id: u64,
    pub(crate) bus: BusKey,
    /// Rules that hear of it; empty: all of the bus.
    pub(crate) filter_arns: Vec<String>,
    pub(crate) description: Option<String>,
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) state: ReplayState,
    /// The key of the event that was replayed last.
    pub(crate) position: Option<Vec<u8>>,
    pub(crate) last_replayed_at: Option<Timestamp>,
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
}

impl ReplayRow {
    /// True when nothing more will happen.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, ReplayState::Completed | ReplayState::Cancelled | ReplayState::Failed)
    }
}

impl Row for ReplayRow {
    type Key = NameKey;
    const TABLE: &'static str = "events.replay";

    fn key(&self) -> NameKey {
        self.key.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if old.is_over() && !new.is_over() => Err("goes on after its end".to_owned()),
            _ => Ok(()),
        }
    }
}
