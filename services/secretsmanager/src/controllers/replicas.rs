//! Keeps replicas like their primaries: rows in other regions, with values of their own.

use std::collections::BTreeSet;
use std::sync::Arc;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_ledger::{ChangeSet, Snapshot, Tx};
use haar_types::{Region, Timestamp};

use super::deletions::SecretKey;
use crate::SecretsManager;
use crate::ops::replication::is_replica;
use crate::render::about;
use crate::state::{
    Key, Replica, ReplicaState, Sealed, SecretRow, VersionRow, derived, remove, versions,
};

/// What is told where a secret of that name is in the way.
const TAKEN: &str = "Secret with this name already exists in this region";

/// What is told where a value cannot be opened. *Ours*.
const UNREADABLE: &str = "A version of the secret cannot be decrypted";

/// The controller `secretsmanager.replicas`.
pub struct Replicas {
    room: Arc<SecretsManager>,
}

/// Its one deed: bring the replica of a secret in one region up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follow {
    primary: SecretKey,
    region: Region,
}

impl Replicas {
    /// The controller of a room's replicas.
    pub fn new(room: Arc<SecretsManager>) -> Self {
        Self { room }
    }
}

impl Controller for Replicas {
    type Key = SecretKey;
    type Step = Follow;
    const NAME: &'static str = "secretsmanager.replicas";

    fn keys(&self, changes: &ChangeSet) -> Vec<SecretKey> {
        changes.keys::<SecretRow>().into_iter().map(SecretKey).collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<SecretKey> {
        let rows = snapshot.all::<SecretRow>().filter(|row| !row.replicas.is_empty());
        rows.map(|row| SecretKey(row.key.clone())).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &SecretKey, _now: Timestamp) -> Plan<Follow> {
        let Some(row) = snapshot.get::<SecretRow>(&key.0) else { return Plan::default() };
        let behind = row.replicas.iter().find(|(region, replica)| match replica.state {
            ReplicaState::Failed(_) => false,
            ReplicaState::InProgress => true,
            ReplicaState::InSync => !is_like(snapshot, &row, (region, replica)),
        });
        behind.map_or_else(Plan::default, |(region, _)| {
            Plan::step(Follow { primary: key.clone(), region: region.clone() })
        })
    }

    async fn act(&self, step: Follow, cx: &ActCx) -> Result<(), ActError> {
        let committed = cx.ledger.transact(|tx| {
            if let Some(row) = tx.get::<SecretRow>(&step.primary.0) {
                self.follow(tx, cx, SecretRow::clone(&row), &step.region);
            }
            Ok::<_, ActError>(())
        })?;
        committed.durable().await?;
        Ok(())
    }
}

fn there(primary: &SecretRow, region: &Region) -> Key {
    (primary.key.0.clone(), region.clone(), primary.key.2.clone())
}

/// The replica is as its primary is.
fn is_like(snapshot: &Snapshot, primary: &SecretRow, replica: (&Region, &Replica)) -> bool {
    let Some(row) = snapshot.get::<SecretRow>(&there(primary, replica.0)) else { return false };
    let ids = |arn| versions(snapshot, arn).map(|row| row.key.1.clone()).collect::<BTreeSet<_>>();
    *row == derived(primary, replica, Some(&row)) && ids(&row.arn) == ids(&primary.arn)
}

impl Replicas {
    fn follow(&self, tx: &mut Tx, cx: &ActCx, mut primary: SecretRow, region: &Region) {
        let Some(mut replica) = primary.replicas.get(region).cloned() else { return };
        let key = there(&primary, region);
        let known = tx.get::<SecretRow>(&key);
        let is_ours = is_replica(tx, &key, &primary.key.1)
            && known
                .as_ref()
                .is_some_and(|row| row.arn == crate::state::replica_arn(&primary, region));
        if known.is_some() && !is_ours {
            if !replica.overwrites {
                replica.state = ReplicaState::Failed(TAKEN.to_owned());
                primary.replicas.insert(region.clone(), replica);
                tx.put(primary);
                return;
            }
            remove(tx, &key);
        }
        let row = derived(&primary, (region, &replica), known.as_deref().filter(|_| is_ours));
        let state = match self.copy_versions(tx, cx, &primary, &row) {
            true => ReplicaState::InSync,
            false => ReplicaState::Failed(UNREADABLE.to_owned()),
        };
        tx.put(row);
        if replica.state != state {
            replica.state = state;
            primary.replicas.insert(region.clone(), replica);
            tx.put(primary);
        }
    }

    /// Values are sealed for the secret and version that they belong to: each is sealed anew.
    /// False where one cannot be opened.
    fn copy_versions(&self, tx: &mut Tx, cx: &ActCx, primary: &SecretRow, row: &SecretRow) -> bool {
        let mut is_whole = true;
        let wanted: Vec<_> = versions(tx, &primary.arn).collect();
        let there: Vec<_> = versions(tx, &row.arn).map(|version| version.key.clone()).collect();
        for key in there.iter().filter(|key| wanted.iter().all(|version| version.key.1 != key.1)) {
            tx.remove::<VersionRow>(key);
        }
        for version in wanted {
            let id = &version.key.1;
            if there.iter().any(|key| key.1 == *id) {
                continue;
            }
            let from = about(&primary.arn, id);
            let Some(plain) = self.room.key.open(&from, &version.sealed.bytes) else {
                tracing::error!(secret = primary.arn, "a value cannot be opened to replicate it");
                is_whole = false;
                continue;
            };
            let bytes = self.room.key.seal(&cx.ids.ids(), &about(&row.arn, id), &plain);
            tx.put(VersionRow {
                key: (row.arn.clone(), id.clone()),
                sealed: Sealed { is_binary: version.sealed.is_binary, bytes },
                created_at: version.created_at,
                kms_key_id: row.kms_key_id.clone(),
            });
        }
        is_whole
    }
}
