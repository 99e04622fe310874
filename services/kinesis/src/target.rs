//! Streams as other rooms' targets: a consignment becomes a record.

use haar_kernel::Doors;
use haar_kernel::targets::{Consignment, Target, Undelivered};
use haar_kinesis_contract::{PutRecord, PutRecordInput};

use futures_util::future::BoxFuture;

/// Puts what is sent to a stream.
pub(crate) struct Streams(pub(crate) Doors);

/// Characters of a partition key at most.
const PARTITION_KEY_MAX: usize = 256;

impl Target for Streams {
    fn deliver<'a>(
        &'a self,
        consignment: &'a Consignment,
    ) -> BoxFuture<'a, Result<(), Undelivered>> {
        let key = match consignment.partition_key.as_deref().filter(|key| !key.is_empty()) {
            Some(key) => key.chars().take(PARTITION_KEY_MAX).collect(),
            None => self.0.ids.uuid(),
        };
        let input = PutRecordInput {
            stream_arn: Some(consignment.arn.clone()),
            partition_key: key,
            data: consignment.body.clone(),
            ..PutRecordInput::default()
        };
        Box::pin(async move {
            let principal = consignment.sender.principal.clone();
            match self.0.call::<PutRecord>(principal, &consignment.region, input).await {
                Ok(_) => Ok(()),
                Err(error) => {
                    // A full shard has room in the next second.
                    let full = error.name() == "ProvisionedThroughputExceededException";
                    let undelivered = Undelivered::from(error);
                    let is_transient = undelivered.is_transient || full;
                    Err(Undelivered { is_transient, ..undelivered })
                }
            }
        })
    }
}
