//! What identities ask for: noted in memory at each request, written together now and then.

use std::collections::BTreeMap;
use std::time::Duration;

use haar_iam_contract::RoleLastUsed;
use haar_ledger::{Snapshot, Tx};
use haar_policy::Principal as Who;
use haar_types::Timestamp;
use parking_lot::Mutex;

use crate::Iam;
use crate::lookup::{role_of_id, user_of_id};
use crate::state::{LastUse, LastUseRow, LastUses};

/// How often what was noted is written. What was noted since is lost with the process.
const WRITTEN_EVERY: Duration = Duration::from_secs(60);

/// Last uses by the identities' unique ids.
pub(crate) type Noted = BTreeMap<String, LastUses>;

/// Uses that are not written yet.
#[derive(Debug, Default)]
pub(crate) struct Uses(Mutex<Pending>);

#[derive(Debug, Default)]
struct Pending {
    noted: Noted,
    written_at: Option<Timestamp>,
}

impl Uses {
    /// Notes a use; answers all that is to be written, when it is time.
    pub(crate) fn note(
        &self,
        id: &str,
        action: &str,
        region: &str,
        at: Timestamp,
    ) -> Option<Noted> {
        let mut pending = self.0.lock();
        let known = pending.noted.get_mut(id).and_then(|actions| actions.get_mut(action));
        match known {
            Some(last) if last.region == region => last.at = at,
            _ => {
                let last = LastUse { at, region: region.to_owned() };
                let actions = pending.noted.entry(id.to_owned()).or_default();
                actions.insert(action.to_owned(), last);
            }
        }
        if pending.written_at.is_some_and(|written| at.since(written) < WRITTEN_EVERY) {
            return None;
        }
        pending.written_at = Some(at);
        Some(std::mem::take(&mut pending.noted))
    }

    /// Forgets all, for a reset.
    pub(crate) fn forget(&self) {
        *self.0.lock() = Pending::default();
    }
}

impl Iam {
    /// What an identity asked for, with what is not written yet.
    pub(crate) fn last_uses_of(&self, snapshot: &Snapshot, id: &String) -> LastUses {
        let written = snapshot.get::<LastUseRow>(id);
        let mut uses = written.map(|row| row.actions.clone()).unwrap_or_default();
        uses.extend(self.uses.0.lock().noted.get(id).cloned().unwrap_or_default());
        uses
    }

    /// When a role was last used, and where.
    pub(crate) fn role_last_used(&self, snapshot: &Snapshot, id: &String) -> RoleLastUsed {
        let uses = self.last_uses_of(snapshot, id);
        let last = uses.values().max_by_key(|last| last.at);
        RoleLastUsed {
            last_used_date: last.map(|last| last.at),
            region: last.map(|last| last.region.clone()),
        }
    }
}

/// Writes uses beside those that were written before.
pub(crate) fn write(tx: &mut Tx, noted: Noted) {
    for (id, actions) in noted {
        if user_of_id(tx, &id).is_none() && role_of_id(tx, &id).is_none() {
            continue; // it went after it was used
        }
        let known = tx.get::<LastUseRow>(&id);
        let mut row = known.map_or_else(LastUseRow::default, |row| LastUseRow::clone(&row));
        row.id = id;
        row.actions.extend(actions);
        tx.put(row);
    }
}

/// The unique id of the user or role that acts; the root and services have none.
pub(crate) fn id_of(identity: &Who) -> Option<&str> {
    match identity {
        Who::User { id, .. } => Some(id),
        Who::Federated { user_id, .. } => Some(user_id),
        Who::RoleSession { id, .. } => id.split(':').next(),
        Who::Root { .. } | Who::Service { .. } | Who::Anonymous | Who::IdentityProvider { .. } => {
            None
        }
    }
}
