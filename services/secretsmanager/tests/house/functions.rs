//! A Lambda whose functions rotate secrets, well or badly.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use haar_kernel::{Answer, Call, Doors, Flow, Lanes, Room};
use haar_lambda_contract::model::{
    InvocationRequest, InvocationResponse, InvocationType, Invoke, SERVICE,
};
use haar_secretsmanager_contract::*;
use haar_wire::{AwsError, ServiceSchema};
use parking_lot::Mutex;
use serde_json::Value;

/// The function that is there.
pub const ROTATE: &str = "arn:aws:lambda:us-east-1:000000000000:function:rotate";

pub struct Functions {
    doors: Doors,
    /// Steps that were asked for, with their versions.
    pub asked: Mutex<Vec<(String, String)>>,
    /// Values that were tested.
    pub tested: Mutex<Vec<String>>,
    /// Steps that fail, each once.
    pub failing: Mutex<VecDeque<&'static str>>,
}

impl Functions {
    pub fn new(doors: &Doors) -> Self {
        let (asked, tested, failing) = Default::default();
        Self { doors: doors.clone(), asked, tested, failing }
    }

    pub fn steps(&self) -> Vec<String> {
        self.asked.lock().iter().map(|(step, _)| step.clone()).collect()
    }

    /// As AWS's own template does.
    async fn rotate(&self, call: &Call, event: &Value) -> Result<(), AwsError> {
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        let (step, secret, version) = (text("Step"), text("SecretId"), text("ClientRequestToken"));
        let caller = Arc::clone(&call.principal);
        match step.as_str() {
            "createSecret" => {
                let input = PutSecretValueRequest {
                    secret_id: secret,
                    secret_string: Some(format!("value of {version}")),
                    client_request_token: Some(version),
                    version_stages: Some(vec!["AWSPENDING".to_owned()]),
                    ..Default::default()
                };
                self.doors.call::<PutSecretValue>(caller, &call.region, input).await.map(drop)
            }
            "testSecret" => {
                let input = GetSecretValueRequest {
                    secret_id: secret,
                    version_id: Some(version),
                    version_stage: Some("AWSPENDING".to_owned()),
                };
                let got = self.doors.call::<GetSecretValue>(caller, &call.region, input).await?;
                self.tested.lock().push(got.secret_string.unwrap());
                Ok(())
            }
            "finishSecret" => {
                let input =
                    GetSecretValueRequest { secret_id: secret.clone(), ..Default::default() };
                let old = self.doors.call::<GetSecretValue>(caller.clone(), &call.region, input);
                let input = UpdateSecretVersionStageRequest {
                    secret_id: secret,
                    version_stage: "AWSCURRENT".to_owned(),
                    remove_from_version_id: old.await?.version_id,
                    move_to_version_id: Some(version),
                };
                let moved =
                    self.doors.call::<UpdateSecretVersionStage>(caller, &call.region, input);
                moved.await.map(drop)
            }
            _ => Ok(()),
        }
    }
}

impl Room for Functions {
    fn service(&self) -> &'static ServiceSchema {
        &SERVICE
    }
}

pub fn lanes(lanes: &mut Lanes<Functions>) {
    lanes.flow::<Invoke>();
}

impl Flow<Invoke> for Functions {
    async fn flow(self: Arc<Self>, call: Call, input: InvocationRequest) -> Answer<Invoke> {
        if input.function_name != ROTATE {
            return Err(AwsError::new("ResourceNotFoundException", 404, "Function not found"));
        }
        if input.invocation_type == Some(InvocationType::DryRun) {
            return Ok(InvocationResponse { status_code: Some(204), ..Default::default() });
        }
        let event: Value = serde_json::from_slice(&input.payload.unwrap()).unwrap();
        let step = event["Step"].as_str().unwrap().to_owned();
        let version = event["ClientRequestToken"].as_str().unwrap().to_owned();
        self.asked.lock().push((step.clone(), version));
        let fails = self.failing.lock().front().is_some_and(|failing| *failing == step);
        let failed = match fails {
            true => Some(self.failing.lock().pop_front().unwrap().to_owned()),
            false => self.rotate(&call, &event).await.err().map(|error| error.message().to_owned()),
        };
        Ok(InvocationResponse {
            status_code: Some(200),
            function_error: failed.as_ref().map(|_| "Unhandled".to_owned()),
            payload: failed.map(Bytes::from),
            ..Default::default()
        })
    }
}
