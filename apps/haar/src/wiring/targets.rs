//! Where asynchronous results and dead letters go, beside functions.

use async_trait::async_trait;
use bytes::Bytes;
use haar_lambda::invoke::EventTarget;
use haar_types::{AccountId, Region};

/// Delivers nothing yet: no room here takes messages.
pub(crate) struct NoTargets;

#[async_trait]
impl EventTarget for NoTargets {
    async fn deliver(
        &self,
        _account: &AccountId,
        _region: &Region,
        destination_arn: &str,
        _body: Bytes,
        _attributes: &[(&str, String)],
    ) -> Result<(), String> {
        Err(format!("haar cannot deliver to {destination_arn} yet"))
    }
}
