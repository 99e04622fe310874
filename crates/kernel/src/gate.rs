//! Who calls, and whether they may.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use haar_policy::{Decision, Document, PolicySet, Reason, RequestContext, decide};
use haar_types::{AccountId, Partition, Region, Timestamp};
use haar_wire::sigv2::{self, OldClaim};
use haar_wire::sigv4::{self, ChunkDecoder, Claim, Dialect, SigError, SigFault, Validity};
use haar_wire::{AwsError, OperationSchema, Protocol, Route, ServiceSchema, Shape};
use http::request::Parts;
use serde_json::json;

use crate::{
    Auth, Call, IdentityError, Kernel, Principal, Room, Signature, SignaturePlace,
    SignatureVersion, SignedText,
};

/// Longest text that `DecodeAuthorizationMessage` takes.
const SEALED_LENGTH_MAX: usize = 10_240;
/// Of the services that are here, those that `aws:CalledVia` knows. AWS docs: *IAM User Guide > AWS
/// global condition context keys*.
const TELL_CALLED_VIA: [&str; 1] = ["dynamodb.amazonaws.com"];

/// What the gate looks at to find out who calls.
pub(crate) struct Presented<'a> {
    /// Signing name of the service that is called.
    pub(crate) service: &'static str,
    pub(crate) parts: &'a Parts,
    /// The body as it was sent; `None` for one that is still to come.
    pub(crate) body: Option<&'a [u8]>,
    /// Whether one may come without a signature.
    pub(crate) may_be_unsigned: bool,
    /// Whether policies of this service look at how a request is signed.
    pub(crate) tells_signature: bool,
    /// The operation's address in the model.
    pub(crate) uri: &'static str,
}

/// Who calls, and where to.
pub(crate) struct Caller {
    pub(crate) principal: Arc<Principal>,
    pub(crate) region: Region,
    /// Unwraps and proves a body that is still to come, where it comes in signed chunks.
    pub(crate) chunks: Option<ChunkDecoder>,
    /// How it was signed, where policies decide and look at it.
    pub(crate) signature: Option<Signature>,
}

/// Finds the caller of an operation. Where policies decide, the signature must be the caller's.
pub(crate) fn identify(
    kernel: &Kernel,
    route: &Route,
    presented: &Presented<'_>,
) -> Result<Caller, AwsError> {
    caller(kernel, presented).map_err(|error| refused(&error, dialect(route)))
}

/// Finds the caller, whatever is called.
pub(crate) fn caller(kernel: &Kernel, presented: &Presented<'_>) -> Result<Caller, SigError> {
    let settings = kernel.settings();
    let claim = sigv4::claim(presented.parts);
    let old = if claim.is_none() { sigv2::claim(presented.parts) } else { None };
    let region = match &claim {
        Some(claim) => region_named(kernel, &claim.region),
        None => settings.region.clone(),
    };
    let mut signature = None;
    let (principal, chunks) = match (kernel.doors().auth_of(presented.parts), claim) {
        (Auth::Permissive, None) => match old {
            Some(old) => {
                old.refuse_expired(machine_now(kernel))?;
                (believed(kernel, &old.access_key_id, old.session_token.as_deref()), None)
            }
            None => (Arc::new(Principal::root(settings.account.clone())), None),
        },
        (Auth::Permissive, Some(claim)) => {
            // no secret is needed to know that a link's time is over
            sigv4::refuse_expired(&claim, machine_now(kernel))?;
            (believed(kernel, &claim.access_key_id, claim.session_token.as_deref()), None)
        }
        (Auth::Enforce, None) => match old {
            Some(old) => {
                signature = presented.tells_signature.then(|| old_signature_of(&old));
                (proven_old(kernel, presented, &old)?, None)
            }
            None if presented.may_be_unsigned => {
                (Arc::new(Principal::anonymous(settings.account.clone())), None)
            }
            None => return Err(SigError::missing()),
        },
        (Auth::Enforce, Some(claim)) => {
            signature = presented.tells_signature.then(|| signature_of(&claim, presented.parts));
            proven(kernel, presented, &claim)?
        }
    };
    Ok(Caller { principal, region, chunks, signature })
}

/// The region of that name, where it is one; else haar's own.
fn region_named(kernel: &Kernel, name: &str) -> Region {
    let own = &kernel.settings().region;
    match name == own.as_str() {
        true => own.clone(),
        false => name.parse().unwrap_or_else(|_| own.clone()),
    }
}

/// How a request says that it was signed.
fn signature_of(claim: &Claim<'_>, parts: &Parts) -> Signature {
    let place = match claim.presigned {
        Some(_) => SignaturePlace::Query,
        None => SignaturePlace::Header,
    };
    let payload = parts.headers.get("x-amz-content-sha256").and_then(|text| text.to_str().ok());
    let payload = payload.map(str::to_owned);
    Signature { place, version: SignatureVersion::Four, at: claim.signed_time(), payload }
}

fn old_signature_of(claim: &OldClaim) -> Signature {
    let place = match claim.is_presigned {
        true => SignaturePlace::Query,
        false => SignaturePlace::Header,
    };
    Signature { place, version: SignatureVersion::Two, at: None, payload: None }
}

/// Finds who signed a text of a form.
pub(crate) fn signer(
    kernel: &Kernel,
    signed: &SignedText<'_>,
    auth: Auth,
) -> Result<Caller, SigError> {
    let mut claim = sigv4::text_claim(signed.credential, signed.token, signed.signature);
    let is_old = !signed.credential.contains('/');
    if is_old {
        claim.access_key_id = signed.credential.into();
        claim.service = signed.service.into();
    }
    claim.signed_at = signed.signed_at.unwrap_or_default().into();
    let (place, at) = (SignaturePlace::Form, claim.signed_time());
    let version = if is_old { SignatureVersion::Two } else { SignatureVersion::Four };
    let signature = Some(Signature { place, version, at, payload: None });
    let region = region_named(kernel, &claim.region);
    if auth == Auth::Permissive {
        let principal = believed(kernel, &claim.access_key_id, claim.session_token.as_deref());
        return Ok(Caller { principal, region, chunks: None, signature });
    }
    let (snapshot, now) = (kernel.doors().ledger.snapshot(), machine_now(kernel));
    let (key, token) = (&*claim.access_key_id, claim.session_token.as_deref());
    let identity = kernel.identities().identify(&snapshot, key, token, now).map_err(unknown)?;
    if claim.service != signed.service {
        return Err(SigError::wrong_service(signed.service));
    }
    match is_old {
        true => sigv2::verify_text(&identity.secret, signed.text, signed.signature)?,
        false => sigv4::verify_text(&claim, &identity.secret, signed.text)?,
    }
    let now = kernel.doors().clock.now();
    kernel.identities().used(key, signed.service, region.as_str(), now);
    Ok(Caller { principal: identity.principal, region, chunks: None, signature })
}

/// Clients sign, and know when their credentials end, by the machine's time.
fn machine_now(kernel: &Kernel) -> Timestamp {
    kernel.doors().clock.machine().now()
}

fn unknown(error: IdentityError) -> SigError {
    match error {
        IdentityError::Unknown | IdentityError::BadToken => SigError::unknown_key(),
        IdentityError::Expired => SigError::expired_token(),
    }
}

/// Permissive mode: a key that haar knows is its owner's, a 12-digit one names an account,
/// any other is the default account's.
fn believed(kernel: &Kernel, key: &str, token: Option<&str>) -> Arc<Principal> {
    let (snapshot, now) = (kernel.doors().ledger.snapshot(), machine_now(kernel));
    if let Ok(known) = kernel.identities().identify(&snapshot, key, token, now) {
        return known.principal;
    }
    let account = AccountId::named(key).unwrap_or_else(|| kernel.settings().account.clone());
    let root = Principal::root(account);
    Arc::new(Principal { access_key_id: Some(key.to_owned()), ..root })
}

/// Enforce mode: the key must be known and the signature its own.
fn proven(
    kernel: &Kernel,
    presented: &Presented<'_>,
    claim: &Claim<'_>,
) -> Result<(Arc<Principal>, Option<ChunkDecoder>), SigError> {
    let (snapshot, now) = (kernel.doors().ledger.snapshot(), machine_now(kernel));
    let key = &*claim.access_key_id;
    let token = claim.session_token.as_deref();
    let found = kernel.identities().identify(&snapshot, key, token, now);
    let identity = found.map_err(unknown)?;
    let validity = Validity { now, check_skew: kernel.settings().clock_skew_check };
    let hash = presented.body.map(sigv4::body_hash);
    let verified =
        sigv4::verify(claim, &identity.secret, presented.parts, hash.as_deref(), &validity)?;
    if verified.chunks.is_some() && presented.body.is_some() {
        // what the chunks hold would stay unproven: nothing here unwraps them
        let message = "Bodies in signed chunks are not supported by this operation.".to_owned();
        return Err(SigError { fault: SigFault::Mismatch, message });
    }
    let service = presented.service;
    if claim.service != service {
        return Err(SigError::wrong_service(service));
    }
    if !kernel.identities().is_good_for(&identity.principal, service) {
        return Err(SigError::unknown_key());
    }
    kernel.identities().used(key, service, &claim.region, kernel.doors().clock.now());
    Ok((identity.principal, verified.chunks))
}

/// The same of a signature in the manner of version 2, which S3 alone takes: the service whose
/// policies tell it from one of version 4.
fn proven_old(
    kernel: &Kernel,
    presented: &Presented<'_>,
    claim: &OldClaim,
) -> Result<Arc<Principal>, SigError> {
    if !presented.tells_signature || !claim.covers(presented.uri) {
        return Err(SigError::outdated());
    }
    let (snapshot, now) = (kernel.doors().ledger.snapshot(), machine_now(kernel));
    let (key, token) = (&*claim.access_key_id, claim.session_token.as_deref());
    let identity = kernel.identities().identify(&snapshot, key, token, now).map_err(unknown)?;
    let validity = Validity { now, check_skew: kernel.settings().clock_skew_check };
    claim.verify(&identity.secret, presented.parts, &validity)?;
    let region = kernel.settings().region.as_str();
    kernel.identities().used(key, presented.service, region, kernel.doors().clock.now());
    Ok(identity.principal)
}

/// Whose words a route's protocol takes for refused signatures.
pub(crate) fn dialect(route: &Route) -> Dialect {
    match route.protocol {
        Protocol::Query => Dialect::Query,
        Protocol::Ec2 => Dialect::Ec2,
        Protocol::RestXml => Dialect::S3,
        Protocol::RestJson => Dialect::RestJson,
        Protocol::Json10 | Protocol::Json11 | Protocol::Cbor11 | Protocol::RpcV2Cbor => {
            Dialect::Json
        }
    }
}

/// A refused signature in the words of a dialect.
pub(crate) fn refused(error: &SigError, dialect: Dialect) -> AwsError {
    AwsError::new(error.code(dialect), error.status(dialect), error.words(dialect))
}

/// Decides by policies; in permissive mode everything is allowed.
pub(crate) fn authorise(
    kernel: &Kernel,
    room: &dyn Room,
    call: &Call,
    operation: &'static OperationSchema,
    input: &dyn Shape,
) -> Result<(), AwsError> {
    if call.auth == Auth::Permissive {
        return Ok(());
    }
    if !room.asks_itself(operation) {
        note(kernel, call, &action_of(operation));
    }
    if operation.action.is_empty() {
        return Ok(());
    }
    let snapshot = kernel.doors().ledger.snapshot();
    let own = kernel.identities().policies(&snapshot, &call.principal);
    let of_call = room.condition_keys(call, &snapshot, operation, input);
    let resources = room.resources(call, &snapshot, operation, input);
    if let Some(arn) = resources.iter().find(|arn| !Partition::holds(arn)) {
        // policies that name this partition's resources say nothing of it
        return Err(AwsError::validation(room.service(), format!("Invalid ARN: {arn}")));
    }
    let ask = |action: &str, resource: &str, creates: Option<&str>| {
        let policy = room.resource_policy(call, &snapshot, resource);
        let mut keys = of_call.clone();
        keys.extend(room.resource_keys(call, &snapshot, resource));
        if let (Some(creates), Some((service, _))) = (creates, action.split_once(':')) {
            keys.push((format!("{service}:CreateAction"), vec![creates.to_owned()]));
        }
        let question = Question { action, resource, policy, keys: &keys };
        let (decision, context) = weighed(call, own.clone(), &question, None);
        if decision.allowed {
            return Ok(());
        }
        let seal =
            |details: &str| kernel.identities().seal_denial(&call.ids, &call.account, details);
        Err(worded(room.service(), (&decision, &context), seal))
    };
    resources.iter().try_for_each(|resource| ask(operation.action, resource, None))?;
    let Some(tagging) = operation.service.tagging(operation.name, input) else { return Ok(()) };
    let ask = |resource: &str| ask(tagging.action, resource, Some(operation.name));
    let template = || tagging.resource.map(|template| filled(template, call, input));
    match room.made_by(call, operation, input).or_else(template) {
        Some(made) => ask(&made),
        None => resources.iter().try_for_each(|resource| ask(resource)),
    }
}

/// The action of an operation, also where the room itself will decide.
fn action_of(operation: &OperationSchema) -> Cow<'static, str> {
    match operation.action {
        "" => format!("{}:{}", operation.service.signing_name, operation.name).into(),
        named => named.into(),
    }
}

/// Notes what a caller asks for.
pub(crate) fn note(kernel: &Kernel, call: &Call, action: &str) {
    kernel.identities().asked(&call.principal, action, &call.region, call.now);
}

/// What a caller wants to do, and what is known of it.
pub struct Question<'a> {
    /// The IAM action, such as `lambda:InvokeFunctionUrl`.
    pub action: &'a str,
    /// The ARN of what it is done to.
    pub resource: &'a str,
    /// The policy that the resource carries itself.
    pub policy: Option<Arc<Document>>,
    /// The service's own condition keys.
    pub keys: &'a [(String, Vec<String>)],
}

/// Weighs one question against the caller's own policies and the resource's.
pub(crate) fn weigh(
    call: &Call,
    policies: PolicySet,
    question: &Question<'_>,
) -> Result<(), AwsError> {
    let (decision, message) = decided(call, policies, question, None);
    match decision.allowed {
        true => Ok(()),
        false => Err(AwsError::access_denied(message)),
    }
}

/// The decision on one question, with its words; `owner` is whose the resource is.
pub(crate) fn decided(
    call: &Call,
    policies: PolicySet,
    question: &Question<'_>,
    owner: Option<&AccountId>,
) -> (Decision, String) {
    let (decision, context) = weighed(call, policies, question, owner);
    let message = if decision.allowed { String::new() } else { decision.message(&context) };
    (decision, message)
}

/// The decision, and the request as policies saw it.
fn weighed(
    call: &Call,
    mut policies: PolicySet,
    question: &Question<'_>,
    owner: Option<&AccountId>,
) -> (Decision, RequestContext) {
    policies.resource.extend(question.policy.clone());
    if !Partition::holds(question.resource) {
        policies = PolicySet::default(); // nothing there is this partition's to allow
    }
    let mut context = context_of(call, question.action, question.resource);
    context.resource_account = owner.cloned();
    let named = || question.resource.split(':').nth(4).filter(|account| !account.is_empty());
    if let Some(account) = owner.map(AccountId::as_str).or_else(named) {
        context.set("aws:ResourceAccount", [account]);
    }
    for (key, values) in question.keys {
        context.set(key, values.iter().cloned());
    }
    (decide(&policies, &context), context)
}

/// A denial as the service words it. EC2 hands out what only `DecodeAuthorizationMessage` reads.
fn worded(
    service: &ServiceSchema,
    (decision, context): (&Decision, &RequestContext),
    seal: impl Fn(&str) -> Option<String>,
) -> AwsError {
    let message = decision.message(context);
    if let Some((name, code)) = service.error_style.denied {
        return AwsError::new(name, 403, message).query_code(code);
    }
    if !service.speaks(Protocol::Ec2) {
        return AwsError::access_denied(message);
    }
    let mut text = format!("You are not authorized to perform this operation. {message}");
    if let Some(sealed) = sealed(decision, context, seal) {
        let _ = write!(text, ". Encoded authorization failure message: {sealed}");
    }
    AwsError::new("UnauthorizedOperation", 403, text)
}

/// What is known of a denial, sealed; the last conditions are left out where it would be too long
/// to be decoded.
fn sealed(
    decision: &Decision,
    context: &RequestContext,
    seal: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let mut condition_count = context.keys.len();
    loop {
        let sealed = seal(&details(decision, context, condition_count))?;
        if sealed.len() <= SEALED_LENGTH_MAX {
            return Some(sealed);
        }
        condition_count = condition_count.checked_sub(1)?;
    }
}

/// What is known of a denial. AWS docs: *STS API Reference > DecodeAuthorizationMessage*.
fn details(decision: &Decision, context: &RequestContext, condition_count: usize) -> String {
    let items = |list: Vec<serde_json::Value>| json!({ "items": list });
    let condition = |(key, values): (&String, &Vec<String>)| {
        let values = values.iter().map(|value| json!({ "value": value })).collect();
        json!({ "key": key, "values": items(values) })
    };
    let arn = context.principal.shown();
    json!({
        "allowed": false,
        "explicitDeny": matches!(decision.reason, Reason::ExplicitDeny(_)),
        "matchedStatements": items(Vec::new()),
        "failures": items(Vec::new()),
        "context": {
            "principal": {
                "id": context.principal.user_id(),
                "name": arn.rsplit(['/', ':']).next(),
                "arn": arn,
            },
            "action": context.action,
            "resource": context.resource,
            "conditions": items(context.keys.iter().take(condition_count).map(condition).collect()),
        },
    })
    .to_string()
}

/// The request as policies see it. AWS docs: *AWS global condition context keys*.
fn context_of(call: &Call, action: &str, resource: &str) -> RequestContext {
    let mut context = RequestContext::new(call.principal.identity.clone(), action, resource);
    context.set("aws:RequestedRegion", [call.region.to_string()]);
    context.set("aws:CurrentTime", [call.now.iso()]);
    context.set("aws:EpochTime", [call.now.seconds().to_string()]);
    context.set("aws:SecureTransport", ["false"]);
    let via = &call.principal.via;
    context.set("aws:ViaAWSService", [(!via.is_empty()).to_string()]);
    let told: Vec<_> = via.iter().filter(|name| TELL_CALLED_VIA.contains(&name.as_str())).collect();
    if let (Some(first), Some(last)) = (told.first(), told.last()) {
        context.set("aws:CalledViaFirst", [first.to_string()]);
        context.set("aws:CalledViaLast", [last.to_string()]);
        context.set("aws:CalledVia", told);
    }
    if let Some(address) = call.source_ip {
        context.set("aws:SourceIp", [address.to_string()]);
    }
    if let Some(agent) = &call.user_agent {
        context.set("aws:UserAgent", [agent.to_string()]);
    }
    if let Some(page) = &call.referer {
        context.set("aws:Referer", [page.to_string()]);
    }
    for (key, values) in call.principal.session_values() {
        context.set(key, values);
    }
    context
}

/// Fills an operation's resource template: `{region}`, `{account}`, and members by name.
/// A member that was not given becomes `*`.
pub fn resource_of(operation: &OperationSchema, call: &Call, input: &dyn Shape) -> String {
    filled(operation.resource, call, input)
}

fn filled(template: &str, call: &Call, input: &dyn Shape) -> String {
    let mut filled = String::with_capacity(template.len() + 32);
    let mut rest = template;
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
