//! Where asynchronous results and dead letters of functions go, beside functions.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use haar_iam_contract::peek::IamPeek;
use haar_kernel::targets::{Consignment, Sender};
use haar_kernel::{Auth, Doors, Principal};
use haar_lambda::invoke::{EventSender, EventTarget};
use serde_json::{Value, json};

/// Sends under the function's role to whichever room has the resource.
pub(crate) struct Neighbours {
    pub(crate) doors: Doors,
    pub(crate) iam: Arc<dyn IamPeek>,
}

#[async_trait]
impl EventTarget for Neighbours {
    async fn deliver(
        &self,
        sender: &EventSender<'_>,
        destination_arn: &str,
        body: Bytes,
        attributes: &[(&str, String)],
    ) -> Result<(), String> {
        let snapshot = self.doors.ledger.snapshot();
        let name = sender.function_arn.rsplit(':').next().unwrap_or("function");
        if self.doors.settings.auth == Auth::Enforce {
            let (role, function) = (sender.role_arn, sender.function_arn);
            let trusted =
                self.iam.service_may_assume(&snapshot, role, "lambda.amazonaws.com", function);
            trusted.map_err(|_| format!("the role {role} cannot be assumed by Lambda"))?;
        }
        let session = self.iam.role_session(&snapshot, sender.role_arn, name);
        drop(snapshot);
        let identity = session.ok_or_else(|| format!("there is no role {}", sender.role_arn))?;
        let sender_of_it = Sender {
            principal: Arc::new(Principal::of(sender.account.clone(), identity)),
            source_arn: sender.function_arn.to_owned(),
        };
        let region = sender.region.clone();
        let mut consignment = Consignment::new(destination_arn, sender_of_it, region, body);
        let owned = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        consignment.attributes = owned.collect();
        consignment.parameters = self.parameters(destination_arn, name, &consignment.body);
        self.doors.targets.deliver(&consignment).await.map_err(|error| error.to_string())
    }
}

impl Neighbours {
    /// What beside the record buses and buckets want to know of it. AWS docs: *Capturing records
    /// of Lambda asynchronous invocations*.
    fn parameters(&self, destination: &str, function: &str, body: &Bytes) -> Option<Value> {
        match destination.split(':').nth(2)? {
            "events" => {
                let record: Value = serde_json::from_slice(body).unwrap_or_default();
                let is_success = record["requestContext"]["condition"] == "Success";
                let result = if is_success { "Success" } else { "Failure" };
                let kind = format!("Lambda Function Invocation Result - {result}");
                let resources =
                    [json!(destination), record["requestContext"]["functionArn"].clone()];
                Some(json!({ "Source": "lambda", "DetailType": kind, "Resources": resources }))
            }
            "s3" => {
                let (now, id) = (self.doors.clock.now(), self.doors.ids.uuid());
                let (day, time) = (now.strftime("%Y/%m/%d"), now.strftime("%Y-%m-%dT%H.%M.%S"));
                Some(json!({ "Key": format!("aws/lambda/async/{function}/{day}/{time}-{id}") }))
            }
            _ => None,
        }
    }
}
