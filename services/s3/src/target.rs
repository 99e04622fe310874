//! Buckets as other rooms' targets: a consignment becomes an object, under the key that its
//! sender chooses.

use futures_util::future::BoxFuture;
use haar_kernel::Doors;
use haar_kernel::targets::{Consignment, Target, Undelivered};
use haar_s3_contract::{PutObject, PutObjectRequest};

/// Puts what is sent to a bucket.
pub(crate) struct Buckets(pub(crate) Doors);

impl Target for Buckets {
    fn deliver<'a>(
        &'a self,
        consignment: &'a Consignment,
    ) -> BoxFuture<'a, Result<(), Undelivered>> {
        let key = consignment.parameters.as_ref().and_then(|given| given["Key"].as_str());
        let key = key.map_or_else(|| self.0.ids.uuid(), str::to_owned);
        let bucket = consignment.arn.rsplit(':').next().unwrap_or_default();
        let input = PutObjectRequest {
            bucket: bucket.to_owned(),
            key,
            content_length: i64::try_from(consignment.body.len()).ok(),
            content_type: Some("application/json".to_owned()),
            body: consignment.body.clone().into(),
            ..PutObjectRequest::default()
        };
        Box::pin(async move {
            let principal = consignment.sender.principal.clone();
            let put = self.0.call::<PutObject>(principal, &consignment.region, input).await;
            put.map(drop).map_err(Undelivered::from)
        })
    }
}
