//! Retention and legal hold. AWS docs: *Amazon S3 User Guide > Locking objects with Object Lock*.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow};
use haar_s3_contract::model::{
    GetObjectLegalHold, GetObjectLegalHoldOutput, GetObjectLegalHoldRequest, GetObjectRetention,
    GetObjectRetentionOutput, GetObjectRetentionRequest, ObjectLockConfiguration,
    ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockMode, ObjectLockRetention,
    ObjectLockRetentionMode, PutObjectLegalHold, PutObjectLegalHoldRequest, PutObjectRetention,
    PutObjectRetentionRequest,
};
use haar_types::Timestamp;
use haar_wire::AwsError;

use super::manner::refuse_without_lock;
use crate::S3;
use crate::metering::Class;
use crate::refusal;
use crate::store::Retention;

/// Refuses a configuration that AWS refuses.
pub(super) fn check_lock(config: &ObjectLockConfiguration) -> Result<(), AwsError> {
    if config.object_lock_enabled.is_none() {
        return Err(refusal::malformed_xml());
    }
    let Some(rule) = &config.rule else { return Ok(()) };
    let usual = rule.default_retention.as_ref().ok_or_else(refusal::malformed_xml)?;
    let is_positive = |count: Option<i32>| count.is_none_or(|count| count > 0);
    if !is_positive(usual.days) || !is_positive(usual.years) {
        let text = "Default retention period must be a positive integer value.";
        return Err(AwsError::new("InvalidArgument", 400, text));
    }
    match usual.mode.is_some() && (usual.days.is_some() != usual.years.is_some()) {
        true => Ok(()),
        false => Err(refusal::malformed_xml()),
    }
}

impl Flow<PutObjectRetention> for S3 {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: PutObjectRetentionRequest,
    ) -> Answer<PutObjectRetention> {
        let bucket = self.bucket(&input.bucket)?;
        refuse_without_lock(&bucket)?;
        let asked = input.retention.unwrap_or_default();
        let wanted = read_retention(&asked, call.now)?;
        let may_bypass = input.bypass_governance_retention == Some(true);
        let which = (&*input.key, input.version_id.as_deref());
        self.rewrite(&call, &bucket, which, None, |_, manner| {
            refuse_weaker(manner.retention, wanted, call.now, may_bypass)?;
            manner.retention = wanted;
            Ok(())
        })
        .await?;
        Ok(Default::default())
    }
}

fn read_retention(
    asked: &ObjectLockRetention,
    now: Timestamp,
) -> Result<Option<Retention>, AwsError> {
    match (asked.mode, asked.retain_until_date) {
        (None, None) => Ok(None),
        (Some(_), Some(until)) if until <= now => {
            let text = "The retain until date must be in the future!";
            Err(AwsError::new("InvalidArgument", 400, text))
        }
        (Some(mode), Some(until)) => {
            let mode = match mode {
                ObjectLockRetentionMode::Governance => ObjectLockMode::Governance,
                ObjectLockRetentionMode::Compliance => ObjectLockMode::Compliance,
            };
            Ok(Some(Retention { mode, until }))
        }
        _ => Err(refusal::malformed_xml()),
    }
}

/// A retention may be made longer or stricter; governance alone may be bypassed.
fn refuse_weaker(
    old: Option<Retention>,
    new: Option<Retention>,
    now: Timestamp,
    may_bypass: bool,
) -> Result<(), AwsError> {
    let is_governed = old.is_some_and(|old| old.mode == ObjectLockMode::Governance);
    match Retention::is_weakened(old, new, now) && !(is_governed && may_bypass) {
        true => Err(refusal::locked()),
        false => Ok(()),
    }
}

impl Flow<GetObjectRetention> for S3 {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: GetObjectRetentionRequest,
    ) -> Answer<GetObjectRetention> {
        let bucket = self.bucket(&input.bucket)?;
        refuse_without_lock(&bucket)?;
        let version_id = input.version_id.as_deref();
        let record = self.settled_object(&bucket, &input.key, version_id, "GET").await?;
        self.meter(&call, &bucket, Class::Read);
        let found = record.manner.retention.ok_or_else(none)?;
        Ok(GetObjectRetentionOutput {
            retention: Some(ObjectLockRetention {
                mode: found.mode.as_str().parse().ok(),
                retain_until_date: Some(found.until),
            }),
        })
    }
}

fn none() -> AwsError {
    let text = "The specified object does not have a ObjectLock configuration";
    AwsError::new("NoSuchObjectLockConfiguration", 404, text)
}

impl Flow<PutObjectLegalHold> for S3 {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: PutObjectLegalHoldRequest,
    ) -> Answer<PutObjectLegalHold> {
        let bucket = self.bucket(&input.bucket)?;
        refuse_without_lock(&bucket)?;
        let status = input.legal_hold.and_then(|hold| hold.status);
        let status = status.ok_or_else(refusal::malformed_xml)?;
        let which = (&*input.key, input.version_id.as_deref());
        self.rewrite(&call, &bucket, which, None, |_, manner| {
            manner.legal_hold = status == ObjectLockLegalHoldStatus::On;
            Ok(())
        })
        .await?;
        Ok(Default::default())
    }
}

impl Flow<GetObjectLegalHold> for S3 {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: GetObjectLegalHoldRequest,
    ) -> Answer<GetObjectLegalHold> {
        let bucket = self.bucket(&input.bucket)?;
        refuse_without_lock(&bucket)?;
        let version_id = input.version_id.as_deref();
        let record = self.settled_object(&bucket, &input.key, version_id, "GET").await?;
        self.meter(&call, &bucket, Class::Read);
        let status = match record.manner.legal_hold {
            true => ObjectLockLegalHoldStatus::On,
            false => ObjectLockLegalHoldStatus::Off,
        };
        Ok(GetObjectLegalHoldOutput {
            legal_hold: Some(ObjectLockLegalHold { status: Some(status) }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_may_only_grow_unless_governance_is_bypassed() {
        let at = |mode, until| Some(Retention { mode, until: Timestamp(until) });
        let (governed, complied) = (ObjectLockMode::Governance, ObjectLockMode::Compliance);
        let now = Timestamp(10);
        assert!(refuse_weaker(at(governed, 20), at(complied, 30), now, false).is_ok());
        assert!(refuse_weaker(at(governed, 20), at(governed, 15), now, false).is_err());
        assert!(refuse_weaker(at(governed, 20), None, now, true).is_ok());
        assert!(refuse_weaker(at(complied, 20), None, now, true).is_err());
        assert!(refuse_weaker(at(complied, 20), at(governed, 30), now, true).is_err());
        assert!(refuse_weaker(at(complied, 5), None, now, false).is_ok());
    }
}
