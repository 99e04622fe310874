//! Replication to other regions: asked for here, done by `controllers::replicas`.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Command};
use haar_ledger::{Snapshot, Tx};
use haar_secretsmanager_contract::{
    RemoveRegionsFromReplication, RemoveRegionsFromReplicationRequest,
    RemoveRegionsFromReplicationResponse, ReplicaRegionType, ReplicateSecretToRegions,
    ReplicateSecretToRegionsRequest, ReplicateSecretToRegionsResponse, StopReplicationToReplica,
    StopReplicationToReplicaRequest, StopReplicationToReplicaResponse,
};
use haar_types::{REGIONS, Region};
use haar_wire::AwsError;

use crate::lookup::{find, find_own};
use crate::refusal::{bad_request, invalid};
use crate::state::{Key, Replica, ReplicaState, SecretRow, remove};
use crate::{SecretsManager, render};

const INVALID_REGION: &str = "Invalid replica region.";

/// Notes the regions that a secret shall be replicated to. What is in sync stays so; what failed
/// is tried again.
pub(super) fn replicate(
    row: &mut SecretRow,
    regions: Vec<ReplicaRegionType>,
    overwrites: bool,
) -> Result<(), AwsError> {
    for wanted in regions {
        let region = wanted.region.as_deref().unwrap_or_default().parse::<Region>();
        let region = region.map_err(|_| invalid(INVALID_REGION))?;
        if region == row.key.1 || is_listed(&region) != is_listed(&row.key.1) {
            return Err(invalid(INVALID_REGION));
        }
        let known = row.replicas.get(&region);
        if known.is_some_and(|known| known.state == ReplicaState::InSync) {
            continue;
        }
        let kms_key_id = wanted.kms_key_id;
        let replica = Replica { kms_key_id, overwrites, state: ReplicaState::InProgress };
        row.replicas.insert(region, replica);
    }
    Ok(())
}

/// Whether AWS has the region. *Ours*: secrets of regions that are not listed, such as those of other
/// partitions, are replicated to others like theirs.
fn is_listed(region: &Region) -> bool {
    REGIONS.iter().any(|(known, _)| *known == region.as_str())
}

/// The secret that a replica copies, if it still does.
pub(super) fn primary_of(snapshot: &Snapshot, row: &SecretRow) -> Option<Arc<SecretRow>> {
    let (account, region, name) = &row.key;
    let key = (account.clone(), row.primary.clone()?, name.clone());
    snapshot.get::<SecretRow>(&key).filter(|primary| primary.replicas.contains_key(region))
}

/// AWS docs: *Secrets Manager API Reference > ReplicateSecretToRegions*.
impl Command<ReplicateSecretToRegions> for SecretsManager {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: ReplicateSecretToRegionsRequest,
    ) -> Answer<ReplicateSecretToRegions> {
        let mut row = SecretRow::clone(&*find_own(tx, call, &input.secret_id)?);
        let overwrites = input.force_overwrite_replica_secret == Some(true);
        replicate(&mut row, input.add_replica_regions, overwrites)?;
        let output = ReplicateSecretToRegionsResponse {
            arn: Some(row.arn.clone()),
            replication_status: render::replication(tx, &row),
        };
        tx.put(row);
        Ok(output)
    }
}

/// AWS docs: *Secrets Manager API Reference > RemoveRegionsFromReplication*. *Ours*: a region
/// without a replica is refused.
impl Command<RemoveRegionsFromReplication> for SecretsManager {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: RemoveRegionsFromReplicationRequest,
    ) -> Answer<RemoveRegionsFromReplication> {
        let mut row = SecretRow::clone(&*find_own(tx, call, &input.secret_id)?);
        for region in input.remove_replica_regions {
            let region = region.parse::<Region>().map_err(|_| invalid(INVALID_REGION))?;
            let gone = row.replicas.remove(&region).ok_or_else(|| invalid(INVALID_REGION))?;
            let there: Key = (row.key.0.clone(), region, row.key.2.clone());
            if gone.state == ReplicaState::InSync && is_replica(tx, &there, &row.key.1) {
                remove(tx, &there);
            }
        }
        let output = RemoveRegionsFromReplicationResponse {
            arn: Some(row.arn.clone()),
            replication_status: Some(render::replication(tx, &row).unwrap_or_default()),
        };
        tx.put(row);
        Ok(output)
    }
}

/// That secret is a replica of one in `primary`.
pub(crate) fn is_replica(snapshot: &Snapshot, key: &Key, primary: &Region) -> bool {
    snapshot.get::<SecretRow>(key).is_some_and(|row| row.primary.as_ref() == Some(primary))
}

/// AWS docs: *Secrets Manager API Reference > StopReplicationToReplica*. *Ours*: the words for a
/// secret that is no replica.
impl Command<StopReplicationToReplica> for SecretsManager {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: StopReplicationToReplicaRequest,
    ) -> Answer<StopReplicationToReplica> {
        let row = find(tx, call, &input.secret_id)?;
        if row.primary.is_none() {
            let text = "You can't stop replication to a secret that isn't a replica.";
            return Err(bad_request(text));
        }
        if let Some(mut primary) = primary_of(tx, &row).map(|row| SecretRow::clone(&row)) {
            primary.replicas.remove(&row.key.1);
            tx.put(primary);
        }
        tx.put(SecretRow { primary: None, ..SecretRow::clone(&row) });
        Ok(StopReplicationToReplicaResponse { arn: Some(row.arn.clone()) })
    }
}
