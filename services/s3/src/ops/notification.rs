//! Which listeners a bucket tells what.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow, Query};
use haar_ledger::{LedgerError, Snapshot};
use haar_s3_contract::model::{
    GetBucketNotificationConfiguration, GetBucketNotificationConfigurationRequest,
    NotificationConfiguration, PutBucketNotificationConfiguration,
    PutBucketNotificationConfigurationRequest,
};
use haar_wire::AwsError;

use crate::S3;
use crate::lookup::{edit, find_bucket};

impl Query<GetBucketNotificationConfiguration> for S3 {
    fn query(
        &self,
        _call: &Call,
        snap: &Snapshot,
        input: GetBucketNotificationConfigurationRequest,
    ) -> Answer<GetBucketNotificationConfiguration> {
        Ok(find_bucket(snap, &input.bucket)?.notification.clone())
    }
}

impl Flow<PutBucketNotificationConfiguration> for S3 {
    async fn flow(
        self: Arc<Self>,
        _call: Call,
        input: PutBucketNotificationConfigurationRequest,
    ) -> Answer<PutBucketNotificationConfiguration> {
        let config: NotificationConfiguration = input.notification_configuration;
        let committed = self.doors.ledger.transact(|tx| {
            edit(tx, &input.bucket, |row| {
                row.notification = config;
                Ok(())
            })
        })?;
        committed.durable().await.map_err(|error: LedgerError| {
            tracing::error!(%error, "a commit did not reach the disk");
            AwsError::internal_failure("the state could not be written")
        })?;
        Ok(Default::default())
    }
}
