//! Carries one copy.

use std::sync::Arc;
use std::time::Duration;

use haar_courier::{Errand, Parcel, Verdict, back_off};
use haar_iam_contract::sender::role_sender;
use haar_kernel::{Auth, Call, Principal};
use haar_s3_contract::model::{ReplicationRule, ServerSideEncryption};
use haar_types::Timestamp;
use haar_wire::AwsError;
use serde::{Deserialize, Serialize};

use crate::S3;
use crate::access::Ask;
use crate::lookup::keeps_versions;
use crate::notices::{Cause, Happening};
use crate::ops::manner::default_retention;
use crate::rules::encryption::blocks_customer_keys;
use crate::rules::replication::{Copies, gives_away, wanted};
use crate::state::BucketRow;
use crate::store::{Held, Record};

/// The service that assumes the role.
pub(crate) const SERVICE_PRINCIPAL: &str = "s3.amazonaws.com";
/// The wait after the first failure that may pass. *Ours*.
const BACK_OFF_FIRST: Duration = Duration::from_secs(1);
/// The longest wait. *Ours*.
const BACK_OFF_LONGEST: Duration = Duration::from_secs(300);

/// One version on its way into another bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Copying {
    pub(super) from: String,
    /// Which incarnation of it.
    pub(super) id: u64,
    pub(super) key: String,
    pub(super) version_id: String,
    pub(super) to: String,
}

/// Why a copy is not there.
enum Failure {
    /// For good; as AWS's events name it.
    GivenUp(&'static str),
    /// It may work later.
    Later(AwsError),
}

impl From<AwsError> for Failure {
    fn from(error: AwsError) -> Self {
        Self::Later(error)
    }
}

impl Errand for Copying {
    type Room = S3;

    async fn run(self, room: &S3, parcel: &Parcel) -> Verdict {
        let failed = match room.copy_over(&self).await {
            Ok(()) => false,
            Err(Failure::GivenUp(reason)) => {
                let Self { from, key, to, .. } = &self;
                tracing::warn!(from, key, to, reason, "an object is not replicated");
                true
            }
            Err(Failure::Later(error)) => return later(&error, parcel),
        };
        match room.note_copy(&self, failed).await {
            Ok(()) => Verdict::Done,
            Err(error) if error.code() == "NoSuchBucket" => Verdict::Done,
            Err(error) => later(&error, parcel),
        }
    }
}

fn later(error: &AwsError, parcel: &Parcel) -> Verdict {
    tracing::error!(%error, "an object could not be replicated yet");
    Verdict::Retry(back_off(BACK_OFF_FIRST, BACK_OFF_LONGEST, parcel.failed_count))
}

impl S3 {
    /// Brings a version into the bucket that it is to be copied to; on disk when this resolves.
    async fn copy_over(&self, copying: &Copying) -> Result<(), Failure> {
        let snapshot = self.doors.ledger.snapshot();
        let source = snapshot.get::<BucketRow>(&copying.from);
        let Some(source) = source.filter(|row| row.id == copying.id) else { return Ok(()) };
        let wanted_id = Some(copying.version_id.as_str());
        let Some(record) = self.store.find(source.id, &copying.key, wanted_id)? else {
            return Ok(()); // deleted meanwhile
        };
        let config = source.replication.as_ref().ok_or(Failure::GivenUp("NoRule"))?;
        let rules = wanted(config, &copying.key, &record);
        let rule = *rules.get(copying.to.as_str()).ok_or(Failure::GivenUp("NoRule"))?;
        let target = snapshot.get::<BucketRow>(&copying.to);
        let target = target.ok_or(Failure::GivenUp("DstBucketNotFound"))?;
        if !keeps_versions(&target) {
            return Err(Failure::GivenUp("DstBucketUnversioned"));
        }
        let account = rule.destination.account.as_deref();
        if account.is_some_and(|account| account != target.account.to_string()) {
            return Err(Failure::GivenUp("DstBucketNotFound"));
        }
        if source.lock.is_some() && target.lock.is_none() {
            return Err(Failure::GivenUp("DstBucketObjectLockConfigMissing"));
        }
        let sealed = record.manner.encryption.customer.is_some();
        if sealed && blocks_customer_keys(&target) {
            return Err(Failure::GivenUp("DstPutObjectNotPermitted"));
        }
        self.weigh(copying, (&source, &target), rule, &record)?;
        let held = self.held_of(&source, &copying.key, &record)?;
        let copy = replica(&target, rule, &record, self.doors.clock.now());
        self.put_copy_of(copying, &target, copy, held)?;
        self.store.sync().await?;
        self.meter_copy(&source, &target, &record);
        Ok(())
    }

    /// Refuses what the configuration's role may not do.
    fn weigh(
        &self,
        copying: &Copying,
        (source, target): (&BucketRow, &BucketRow),
        rule: &ReplicationRule,
        record: &Record,
    ) -> Result<(), Failure> {
        if self.doors.settings.auth == Auth::Permissive {
            return Ok(());
        }
        let role = source.replication.as_ref().map(|config| config.role.as_str());
        let sender =
            role_sender(&self.doors, role.unwrap_or_default(), SERVICE_PRINCIPAL, &source.arn());
        let sender = sender.map_err(|_| Failure::GivenUp("AssumeRoleNotPermitted"))?;
        let call = self.call_as(sender.principal, target);
        let permit = |action: &str, bucket: &BucketRow| {
            let version_id = (bucket.id == source.id).then_some(copying.version_id.as_str());
            let ask = Ask::of_object(action, &bucket.name, &copying.key, version_id);
            self.permit(&call, bucket, &ask, &[])
        };
        let mut asks = match record.is_marker {
            true => vec![("s3:ReplicateDelete", target, "DstPutObjectNotPermitted")],
            false => vec![
                ("s3:GetObjectVersionForReplication", source, "SrcGetObjectNotPermitted"),
                ("s3:ReplicateObject", target, "DstPutObjectNotPermitted"),
            ],
        };
        if !record.manner.tags.is_empty() {
            asks.push(("s3:GetObjectVersionTagging", source, "SrcGetObjectNotPermitted"));
            asks.push(("s3:ReplicateTags", target, "DstPutObjectNotPermitted"));
        }
        if gives_away(rule) {
            let action = "s3:ObjectOwnerOverrideToBucketOwner";
            asks.push((action, target, "DstPutObjectNotPermitted"));
        }
        for (action, bucket, reason) in asks {
            permit(action, bucket).map_err(|_| Failure::GivenUp(reason))?;
        }
        Ok(())
    }

    fn call_as(&self, principal: Arc<Principal>, target: &BucketRow) -> Call {
        self.doors.call_as(principal, target.region.clone())
    }

    /// The bytes of a copy: the same blobs, or those that stand beside its original.
    fn held_of(&self, source: &BucketRow, key: &str, record: &Record) -> Result<Held, AwsError> {
        let held = self.store.held(source.id, key, record)?;
        if let Held::Blobs(segments) = &held {
            for segment in segments {
                self.doors.blobs.touch(&segment.digest); // no sweep takes them meanwhile
            }
        }
        Ok(held)
    }

    /// Puts a copy in, unless its original went meanwhile, and its blobs maybe with it.
    fn put_copy_of(
        &self,
        copying: &Copying,
        target: &BucketRow,
        copy: Record,
        held: Held,
    ) -> Result<(), AwsError> {
        let Copying { id, key, version_id, .. } = copying;
        if self.store.find(*id, key, Some(version_id))?.is_none() {
            return Ok(());
        }
        let (now, id) = (self.doors.clock.now(), self.doors.ids.uuid());
        let happening = match copy.is_marker {
            true => Happening::DeleteMarkerCreated,
            false => Happening::Put,
        };
        let staged = self.store.change(&self.doors.ledger, target, key, now, |change, row| {
            let (record, is_new) = change.put_replica(copy, held)?;
            Ok(is_new
                .then(|| self.tell_only(change, row, (&record, happening, Cause::Service(&id)))))
        })?;
        self.send(staged.unwrap_or_default());
        Ok(())
    }

    /// Notes at the original what became of a copy.
    async fn note_copy(&self, copying: &Copying, failed: bool) -> Result<(), AwsError> {
        let Copying { from, id, key, version_id, to } = copying;
        let source = self.doors.ledger.snapshot().get::<BucketRow>(from);
        let Some(source) = source.filter(|row| row.id == *id) else { return Ok(()) };
        let now = self.doors.clock.now();
        self.store.change(&self.doors.ledger, &source, key, now, |change, _| {
            let found = change.find(Some(version_id))?.filter(|record| !record.is_marker);
            let Some(mut record) = found else { return Ok(()) };
            if let Some(copies) = &mut record.replication {
                copies.waiting.retain(|waiting| waiting != to);
                copies.has_failed |= failed;
                change.rewrite(&record)?;
            }
            Ok(())
        })?;
        self.store.sync().await
    }
}

/// A version as its copy has it.
fn replica(target: &BucketRow, rule: &ReplicationRule, record: &Record, now: Timestamp) -> Record {
    let mut copy = Record { replication: Some(Copies::replica()), ..record.clone() };
    (copy.restore, copy.superseded_at) = (None, None);
    let manner = &mut copy.manner;
    if gives_away(rule) || target.is_owner_enforced() {
        manner.owner = target.account.clone();
        manner.acl = None;
    }
    if let Some(class) = rule.destination.storage_class {
        manner.headers.storage_class = Some(class);
    }
    // What the original is locked with comes along; else the bucket locks as what is put there.
    if manner.retention.is_none() && !copy.is_marker {
        manner.retention = default_retention(target, now);
    }
    let key = rule.destination.encryption_configuration.as_ref();
    if let Some(key) = key.and_then(|key| key.replica_kms_key_id.clone())
        && manner.encryption.algorithm != ServerSideEncryption::Aes256
    {
        manner.encryption.key_id = Some(key);
    }
    copy
}
