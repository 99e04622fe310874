//! Neighbours that record.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_events_contract::destinations::{ApiDestinations, DestinationAnswer, DestinationCall};
use haar_iam_contract::peek::{
    AssumeError, IamPeek, MfaError, OidcProviderFacts, RoleFacts, ServiceSession,
    SessionCredentials, SessionGrant,
};
use haar_kernel::targets::{Consignment, Target, Undelivered};
use haar_kernel::{Answer, Call, Flow, Lanes, Meter, Principal, Room, UsageRecord};
use haar_lambda_contract::model::{
    InvocationRequest, InvocationResponse, InvocationType, Invoke, SERVICE,
};
use haar_ledger::Snapshot;
use haar_policy::Principal as Identity;
use haar_types::{AccountId, Tags, Timestamp};
use haar_wire::{AwsError, ServiceSchema};
use parking_lot::Mutex;
use serde_json::Value;

type Handler = Arc<dyn Fn(&Value) -> Result<Value, Value> + Send + Sync>;

/// Functions by name: what they answer, and what they had.
#[derive(Default)]
pub struct Functions {
    handlers: Mutex<BTreeMap<String, Handler>>,
    pub had: Mutex<Vec<(String, Value)>>,
    pub kinds: Mutex<Vec<InvocationType>>,
    /// Invocations that are refused so before any runs.
    pub refusals: Mutex<Vec<AwsError>>,
    /// Functions that never answer.
    pub stuck: Mutex<Vec<String>>,
    /// Functions that answer when they are let.
    held: Mutex<BTreeMap<String, Arc<tokio::sync::Notify>>>,
}

impl Functions {
    pub fn lanes(lanes: &mut Lanes<Self>) {
        lanes.flow::<Invoke>();
    }

    /// A function: `Err` is what it throws.
    pub fn on(
        &self,
        name: &str,
        handler: impl Fn(&Value) -> Result<Value, Value> + Send + Sync + 'static,
    ) {
        self.handlers.lock().insert(name.to_owned(), Arc::new(handler));
    }

    /// Lets a function answer only once what is answered here is notified.
    pub fn hold(&self, name: &str) -> Arc<tokio::sync::Notify> {
        Arc::clone(self.held.lock().entry(name.to_owned()).or_default())
    }

    /// What a function had, oldest first.
    pub fn had(&self, name: &str) -> Vec<Value> {
        let had = self.had.lock();
        had.iter().filter(|(of, _)| of == name).map(|(_, payload)| payload.clone()).collect()
    }
}

impl Room for Functions {
    fn service(&self) -> &'static ServiceSchema {
        &SERVICE
    }
}

impl Flow<Invoke> for Functions {
    async fn flow(self: Arc<Self>, _call: Call, input: InvocationRequest) -> Answer<Invoke> {
        if let Some(error) = self.refusals.lock().pop() {
            return Err(error);
        }
        let name = input.function_name.rsplit(':').next().unwrap().to_owned();
        let payload: Value = serde_json::from_slice(&input.payload.unwrap_or_default()).unwrap();
        self.had.lock().push((name.clone(), payload.clone()));
        self.kinds.lock().push(input.invocation_type.unwrap_or(InvocationType::RequestResponse));
        let is_stuck = self.stuck.lock().contains(&name);
        if is_stuck {
            std::future::pending::<()>().await;
        }
        let held = self.held.lock().get(&name).cloned();
        if let Some(held) = held {
            held.notified().await;
        }
        let handler = self.handlers.lock().get(&name).cloned();
        let Some(handler) = handler else {
            let text = format!("Function not found: {}", input.function_name);
            return Err(AwsError::new("ResourceNotFoundException", 404, text));
        };
        let (answer, function_error) = match handler(&payload) {
            Ok(answer) => (answer, None),
            Err(thrown) => (thrown, Some("Unhandled".to_owned())),
        };
        Ok(InvocationResponse {
            status_code: Some(200),
            function_error,
            payload: Some(Bytes::from(answer.to_string())),
            ..InvocationResponse::default()
        })
    }
}

/// API destinations: what they answer, and what they had.
#[derive(Default)]
pub struct Destinations {
    pub answers: Mutex<Vec<Result<&'static str, Undelivered>>>,
    pub had: Mutex<Vec<DestinationCall>>,
}

impl ApiDestinations for Destinations {
    fn call(&self, call: DestinationCall) -> BoxFuture<'_, Result<DestinationAnswer, Undelivered>> {
        self.had.lock().push(call);
        let answer = self.answers.lock().pop().unwrap_or(Ok(""));
        Box::pin(async move {
            answer.map(|body| DestinationAnswer { status: 200, body: Bytes::from(body) })
        })
    }
}

/// Tasks and objects.
#[derive(Default)]
pub struct Receiver {
    pub got: Mutex<Vec<Consignment>>,
}

impl Target for Receiver {
    fn deliver<'a>(
        &'a self,
        consignment: &'a Consignment,
    ) -> BoxFuture<'a, Result<(), Undelivered>> {
        self.got.lock().push(consignment.clone());
        Box::pin(async { Ok(()) })
    }
}

/// What was billed.
#[derive(Default)]
pub struct Bill(pub Mutex<Vec<UsageRecord>>);

impl Meter for Bill {
    fn record(&self, usage: UsageRecord) {
        self.0.lock().push(usage);
    }
}

impl Bill {
    /// Requests that a pipe was billed for.
    pub fn requests(&self, pipe: &str) -> u64 {
        let all = self.0.lock();
        let of_pipe = all.iter().filter(|one| one.service == "pipes" && one.resource == pipe);
        of_pipe.flat_map(|one| &one.quantities).map(|(_, quantity)| quantity).sum()
    }
}

/// Sums of metrics, by name.
#[derive(Default)]
pub struct Metrics(pub Mutex<BTreeMap<String, f64>>);

impl MetricSink for Metrics {
    fn record(&self, sample: Sample<'_>) {
        if sample.namespace == "AWS/EventBridge/Pipes" && sample.dimensions[0].0 == "PipeName" {
            *self.0.lock().entry(sample.metric.to_owned()).or_default() += sample.value;
        }
    }
}

impl Metrics {
    pub fn sum(&self, metric: &str) -> f64 {
        self.0.lock().get(metric).copied().unwrap_or_default()
    }
}

/// Any role's ARN has a session, but for those that are named `gone`.
pub struct Roles;

impl IamPeek for Roles {
    fn role(&self, _: &Snapshot, _: &str) -> Option<RoleFacts> {
        None
    }

    fn service_may_assume(
        &self,
        _: &Snapshot,
        _: &str,
        _: &str,
        _: &str,
    ) -> Result<(), AssumeError> {
        Ok(())
    }

    fn may_pass_role(&self, _: &Snapshot, _: &Principal, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn service_session(
        &self,
        _: &Snapshot,
        _: &haar_clock::Ids,
        _: &ServiceSession<'_>,
        _: Timestamp,
    ) -> Result<SessionCredentials, AssumeError> {
        Err(AssumeError::NoSuchRole)
    }

    fn mint(&self, _: &haar_clock::Ids, _: &SessionGrant) -> SessionCredentials {
        unreachable!("nobody here signs")
    }

    fn role_session(&self, _: &Snapshot, role: &str, _: &str) -> Option<Identity> {
        (!role.ends_with("/gone")).then(|| Identity::Root { account: AccountId::default() })
    }

    fn account_of_access_key(&self, _: &str) -> Option<AccountId> {
        None
    }

    fn managed_policy(&self, _: &Snapshot, _: &str) -> Option<String> {
        None
    }

    fn user_tags(&self, _: &Snapshot, _: &str) -> Tags {
        Tags::new()
    }

    fn take_mfa_code(
        &self,
        _: &haar_policy::Principal,
        _: &str,
        _: &str,
        _: Timestamp,
    ) -> Result<haar_ledger::Committed<()>, MfaError> {
        Err(MfaError::NotTheirs)
    }

    fn oidc_provider(&self, _: &Snapshot, _: &AccountId, _: &str) -> Option<OidcProviderFacts> {
        None
    }
}
