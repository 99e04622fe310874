//! Who calls, and whether they may.

use std::fmt::Write as _;
use std::sync::Arc;

use haar_policy::{Principal as Identity, RequestContext, decide};
use haar_types::{AccountId, Region};
use haar_wire::sigv4::{self, Claim, Dialect, SigError, Validity};
use haar_wire::{AwsError, OperationSchema, Protocol, Route, Shape};
use http::request::Parts;

use crate::{Auth, Call, IdentityError, Kernel, Principal, Room};

/// Who calls, and where to.
pub(crate) struct Caller {
    pub(crate) principal: Arc<Principal>,
    pub(crate) region: Region,
}

/// Finds the caller. In `enforce` mode the signature must be the caller's.
pub(crate) fn identify(
    kernel: &Kernel,
    route: &Route,
    parts: &Parts,
    body: &[u8],
) -> Result<Caller, AwsError> {
    let settings = kernel.settings();
    let claim = sigv4::claim(parts);
    let named = claim.as_ref().and_then(|claim| claim.region.parse().ok());
    let region = named.unwrap_or_else(|| settings.region.clone());
    let principal = match (settings.auth, claim) {
        (Auth::Permissive, None) => Arc::new(Principal::root(settings.account.clone())),
        (Auth::Permissive, Some(claim)) => believed(kernel, &claim),
        (Auth::Enforce, None) if !route.operation.signed => {
            Arc::new(Principal::anonymous(settings.account.clone()))
        }
        (Auth::Enforce, None) => return Err(refused(SigError::missing(), route)),
        (Auth::Enforce, Some(claim)) => {
            let proven = proven(kernel, route, &claim, parts, body);
            proven.map_err(|error| refused(error, route))?
        }
    };
    Ok(Caller { principal, region })
}

/// Permissive mode: a key that haar knows is its owner's, a 12-digit one names an account,
/// any other is the default account's.
fn believed(kernel: &Kernel, claim: &Claim) -> Arc<Principal> {
    let (snapshot, now) = (kernel.doors().ledger.snapshot(), kernel.doors().clock.now());
    let key = claim.access_key_id.as_str();
    let token = claim.session_token.as_deref();
    if let Ok(known) = kernel.identities().identify(&snapshot, key, token, now) {
        return known.principal;
    }
    let account = key.parse::<AccountId>().unwrap_or_else(|_| kernel.settings().account.clone());
    let root = Principal::root(account);
    Arc::new(Principal { access_key_id: Some(key.to_owned()), ..root })
}

/// Enforce mode: the key must be known and the signature its own.
fn proven(
    kernel: &Kernel,
    route: &Route,
    claim: &Claim,
    parts: &Parts,
    body: &[u8],
) -> Result<Arc<Principal>, SigError> {
    let (snapshot, now) = (kernel.doors().ledger.snapshot(), kernel.doors().clock.now());
    let key = claim.access_key_id.as_str();
    let token = claim.session_token.as_deref();
    let found = kernel.identities().identify(&snapshot, key, token, now);
    let identity = found.map_err(|error| match error {
        IdentityError::Unknown | IdentityError::BadToken => SigError::unknown_key(),
        IdentityError::Expired => SigError::expired_token(),
    })?;
    let validity = Validity { now, check_skew: kernel.settings().clock_skew_check };
    let hash = sigv4::body_hash(body);
    sigv4::verify(claim, &identity.secret, parts, Some(&hash), &validity)?;
    let service = route.service.signing_name;
    if claim.service != service {
        return Err(SigError::wrong_service(service));
    }
    kernel.identities().used(key, service, &claim.region, now);
    Ok(identity.principal)
}

/// A refused signature in the words of the protocol.
fn refused(error: SigError, route: &Route) -> AwsError {
    let dialect = match route.protocol {
        Protocol::Query | Protocol::Ec2 => Dialect::Query,
        Protocol::RestXml => Dialect::S3,
        Protocol::Json10 | Protocol::Json11 | Protocol::RestJson | Protocol::RpcV2Cbor => {
            Dialect::Json
        }
    };
    AwsError::new(error.code(dialect), error.status(dialect), error.message)
}

/// Decides by policies; in permissive mode everything is allowed.
pub(crate) fn authorise<R: Room>(
    kernel: &Kernel,
    room: &R,
    call: &Call,
    operation: &'static OperationSchema,
    input: &dyn Shape,
) -> Result<(), AwsError> {
    if kernel.settings().auth == Auth::Permissive || operation.action.is_empty() {
        return Ok(());
    }
    let snapshot = kernel.doors().ledger.snapshot();
    let own = kernel.identities().policies(&snapshot, &call.principal);
    let keys = room.condition_keys(call, &snapshot, operation, input);
    for resource in room.resources(call, &snapshot, operation, input) {
        let mut policies = own.clone();
        policies.resource.extend(room.resource_policy(call, &snapshot, &resource));
        let mut context = context_of(call, operation.action, &resource);
        for (key, values) in &keys {
            context.set(key, values.iter().cloned());
        }
        let decision = decide(&policies, &context);
        if !decision.allowed {
            return Err(AwsError::access_denied(decision.message(&context)));
        }
    }
    Ok(())
}

/// The request as policies see it. AWS docs: *AWS global condition context keys*.
fn context_of(call: &Call, action: &str, resource: &str) -> RequestContext {
    let mut context = RequestContext::new(call.principal.identity.clone(), action, resource);
    context.set("aws:RequestedRegion", [call.region.to_string()]);
    context.set("aws:CurrentTime", [call.now.iso()]);
    context.set("aws:EpochTime", [call.now.seconds().to_string()]);
    context.set("aws:SecureTransport", ["false"]);
    context.set("aws:ViaAWSService", [is_service(call).to_string()]);
    if let Some(address) = call.source_ip {
        context.set("aws:SourceIp", [address.to_string()]);
    }
    if let Some(agent) = &call.user_agent {
        context.set("aws:UserAgent", [agent.to_string()]);
    }
    for (key, value) in &call.principal.session_keys {
        context.set(key, [value.clone()]);
    }
    context
}

fn is_service(call: &Call) -> bool {
    matches!(call.principal.identity, Identity::Service { .. })
}

/// Fills an operation's resource template: `{region}`, `{account}`, and members by name.
/// A member that was not given becomes `*`.
pub fn resource_of(operation: &OperationSchema, call: &Call, input: &dyn Shape) -> String {
    let mut filled = String::with_capacity(operation.resource.len() + 32);
    let mut rest = operation.resource;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let (name, behind) = after.split_once('}').unwrap_or((after, ""));
        match name {
            "region" => filled.push_str(call.region.as_str()),
            "account" => filled.push_str(call.account.as_str()),
            member => match haar_wire::text_member(input, member) {
                // A full ARN given for a name is the resource itself.
                Some(arn) if arn.starts_with("arn:") => return arn,
                Some(value) => {
                    let _ = write!(filled, "{value}");
                }
                None => filled.push('*'),
            },
        }
        rest = behind;
    }
    filled.push_str(rest);
    filled
}
