//! The room.

use std::sync::Arc;

use haar_iam_contract::peek::{IamPeek, SessionCredentials};
use haar_kernel::{Auth, Call, Doors, Identities, Room};
use haar_ledger::Snapshot;
use haar_policy::{PolicySet, Principal, RequestContext};
use haar_sts_contract::{Credentials, model::SERVICE};
use haar_types::Timestamp;
use haar_wire::{AwsError, OperationSchema, ServiceSchema, Shape, text_member};

use crate::issuers::Issuers;
use crate::rules::refuse_sessions;

/// STS's room.
pub struct Sts {
    pub(crate) doors: Doors,
    identities: Arc<dyn Identities>,
    pub(crate) issuers: Issuers,
}

impl Sts {
    /// The room behind its doors; `identities` is the kernel's own.
    pub fn new(doors: Doors, identities: Arc<dyn Identities>) -> Self {
        Self { doors, identities, issuers: Issuers::new() }
    }

    /// Forgets what was learnt of issuers.
    pub fn after_reset(&self) {
        self.issuers.clear();
    }

    pub(crate) fn iam(&self) -> Arc<dyn IamPeek> {
        self.doors.peeks.expect::<dyn IamPeek>()
    }

    /// When a session begins and when a caller's token must be good: by the machine's time, which
    /// callers know.
    pub(crate) fn now(&self) -> Timestamp {
        self.doors.clock.machine().now()
    }

    /// True where policies decide.
    pub(crate) fn enforces(&self) -> bool {
        self.doors.settings.auth == Auth::Enforce
    }

    pub(crate) fn policies(&self, call: &Call, snapshot: &Snapshot) -> PolicySet {
        self.identities.policies(snapshot, &call.principal)
    }

    /// The request as policies see it, with the keys that the gate sets too.
    pub(crate) fn context(&self, call: &Call, action: &str, resource: &str) -> RequestContext {
        let mut context = self.context_of(call, call.principal.identity.clone(), action, resource);
        for (key, values) in call.principal.session_values() {
            context.set(key, values);
        }
        context
    }

    /// The same for another than who signed.
    pub(crate) fn context_of(
        &self,
        call: &Call,
        who: Principal,
        action: &str,
        resource: &str,
    ) -> RequestContext {
        let mut context = RequestContext::new(who, action, resource);
        context.set("aws:RequestedRegion", [call.region.to_string()]);
        context.set("aws:CurrentTime", [call.now.iso()]);
        context.set("aws:EpochTime", [call.now.seconds().to_string()]);
        context.set("aws:SecureTransport", ["false"]);
        if let Some(address) = call.source_ip {
            context.set("aws:SourceIp", [address.to_string()]);
        }
        if let Some(agent) = &call.user_agent {
            context.set("aws:UserAgent", [agent.to_string()]);
        }
        context
    }
}

impl Room for Sts {
    fn service(&self) -> &'static ServiceSchema {
        &SERVICE
    }

    fn resources(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<String> {
        vec![match text_member(input, "Name") {
            Some(name) if operation.resource.contains("{Name}") => {
                format!("arn:aws:sts::{}:federated-user/{name}", call.account)
            }
            _ => "*".to_owned(),
        }]
    }

    fn admit(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        operation: &'static OperationSchema,
        _input: &dyn Shape,
    ) -> Result<(), AwsError> {
        refuse_sessions(&call.principal, operation.name)
    }
}

/// Credentials as STS shows them.
pub(crate) fn shown(credentials: SessionCredentials) -> Option<Credentials> {
    Some(Credentials {
        access_key_id: credentials.access_key_id,
        secret_access_key: credentials.secret_access_key,
        session_token: credentials.session_token,
        expiration: credentials.expires_at,
    })
}
