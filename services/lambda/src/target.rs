//! Functions as other rooms' targets: what is sent is an asynchronous event.

use futures_util::future::BoxFuture;
use haar_kernel::Doors;
use haar_kernel::targets::{Consignment, Target, Undelivered};
use haar_lambda_contract::model::{InvocationRequest, InvocationType, Invoke};

/// Invokes functions with what is sent to them.
pub(crate) struct Functions(pub(crate) Doors);

impl Target for Functions {
    fn deliver<'a>(
        &'a self,
        consignment: &'a Consignment,
    ) -> BoxFuture<'a, Result<(), Undelivered>> {
        let input = InvocationRequest {
            function_name: consignment.arn.clone(),
            invocation_type: Some(InvocationType::Event),
            payload: Some(consignment.body.clone()),
            ..InvocationRequest::default()
        };
        // The function's region is in its ARN, wherever the sender is.
        let region = consignment.arn.split(':').nth(3).and_then(|region| region.parse().ok());
        let region = region.unwrap_or_else(|| consignment.region.clone());
        Box::pin(async move {
            let principal = consignment.sender.principal.clone();
            let answer = self.0.call::<Invoke>(principal, &region, input).await;
            answer.map(drop).map_err(Undelivered::from)
        })
    }
}
