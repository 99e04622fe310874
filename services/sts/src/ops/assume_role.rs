//! Assuming roles.

use std::sync::Arc;

use haar_iam_contract::peek::{RoleFacts, SessionGrant};
use haar_kernel::{Answer, Call, Flow, Principal as Caller};
use haar_ledger::Snapshot;
use haar_policy::{Principal, decide};
use haar_sts_contract::{AssumeRole, AssumeRoleRequest, AssumeRoleResponse, AssumedRoleUser};
use haar_types::Arn;
use haar_wire::AwsError;

use crate::Sts;
use crate::refusal::{not_authorized, validation};
use crate::room::shown;
use crate::rules::{Lifetime, SessionTags, packed_percent, principal_tag};

/// The longest session of a role that a role assumed.
const CHAINED_SECONDS_MAX: u64 = 3600;
/// The longest session of a role that exists by its name alone.
pub(crate) const UNKNOWN_ROLE_SECONDS_MAX: u64 = 43_200;

/// AWS docs: *AWS STS API Reference > AssumeRole*.
impl Flow<AssumeRole> for Sts {
    async fn flow(self: Arc<Self>, call: Call, input: AssumeRoleRequest) -> Answer<AssumeRole> {
        let arn = input.role_arn.clone();
        let is_role = |arn: &Arn| arn.service() == "iam" && arn.resource().starts_with("role/");
        if !arn.parse::<Arn>().is_ok_and(|arn| is_role(&arn)) {
            return Err(validation(format!("{arn} is invalid")));
        }
        let (serial, code) = (input.serial_number.as_deref(), input.token_code.as_deref());
        let mfa = self.mfa_keys(&call, serial, code).await?;
        let (call, snapshot) = (&call, &self.doors.ledger.snapshot());
        let role = self.iam().role(snapshot, &arn);
        let source = source_identity(call, &input)?;
        let inherited = inherited_tags(call);
        if self.enforces() {
            let has_inherited = !inherited.is_empty();
            let asked = Asked { call, input: &input, source: source.as_deref(), has_inherited };
            self.refuse_unauthorized(snapshot, role.as_ref(), &asked, &mfa)?;
        }
        let tags = input.tags.clone().unwrap_or_default();
        let transitive_tags = input.transitive_tag_keys.unwrap_or_default();
        let given =
            SessionTags { given: &tags, transitive: &transitive_tags, inherited: &inherited };
        let mut keys = given.keys()?;
        keys.extend(source.iter().map(|name| ("aws:SourceIdentity".to_owned(), name.clone())));
        let lifetime = lifetime(call, role.as_ref(), input.duration_seconds)?;
        let policies = self.session_policies(snapshot, input.policy, input.policy_arns)?;
        let packed_policy_size = packed_percent(&policies, &tags);
        let session = self.iam().role_session(snapshot, &arn, &input.role_session_name);
        let principal = session.ok_or_else(|| denied(call, &arn))?;
        let assumed_role_user = Some(assumed(&principal));
        let grant = SessionGrant {
            principal,
            policies,
            keys,
            transitive_tags: transitive(call, transitive_tags),
            issued_at: self.now(),
            expires_at: self.now() + lifetime,
        };
        Ok(AssumeRoleResponse {
            credentials: shown(self.iam().mint(&call.ids, &grant)),
            assumed_role_user,
            packed_policy_size,
            source_identity: source,
        })
    }
}

/// What both sides are asked about.
struct Asked<'a> {
    call: &'a Call,
    input: &'a AssumeRoleRequest,
    /// The session's source identity, given or kept.
    source: Option<&'a str>,
    /// The caller's session hands tags on.
    has_inherited: bool,
}

fn denied(call: &Call, role_arn: &str) -> AwsError {
    not_authorized(&call.principal.arn(), "sts:AssumeRole", role_arn)
}

/// Who somebody is in a role, as answers show it.
pub(crate) fn assumed(principal: &Principal) -> AssumedRoleUser {
    let id = match principal {
        Principal::RoleSession { id, .. } => id.clone(),
        _ => String::new(),
    };
    AssumedRoleUser { assumed_role_id: id, arn: principal.shown() }
}

fn is_chained(call: &Call) -> bool {
    matches!(call.principal.identity, Principal::RoleSession { .. })
}

fn lifetime(
    call: &Call,
    role: Option<&RoleFacts>,
    asked: Option<i32>,
) -> Result<std::time::Duration, AwsError> {
    let role_max = role.map_or(UNKNOWN_ROLE_SECONDS_MAX, |role| role.session_max.as_secs());
    let lifetime = Lifetime { asked, default: 3600, max: role_max };
    let lifetime = lifetime.decide(
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )?;
    if is_chained(call) && lifetime.as_secs() > CHAINED_SECONDS_MAX {
        return Err(validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by \
             role chaining.",
        ));
    }
    Ok(lifetime)
}

/// The keys that the caller's session hands on.
fn transitive_keys(call: &Call) -> Vec<String> {
    let keys = call.principal.session_values();
    let keys = keys.filter(|(name, _)| *name == Caller::TRANSITIVE_TAG_KEYS);
    keys.flat_map(|(_, names)| names).map(str::to_owned).collect()
}

fn inherited_tags(call: &Call) -> Vec<(String, String)> {
    let wanted: Vec<String> = transitive_keys(call).iter().map(|key| principal_tag(key)).collect();
    let is_wanted = |(name, _): &&(String, String)| {
        wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
    };
    call.principal.session_keys.iter().filter(is_wanted).cloned().collect()
}

fn transitive(call: &Call, mut keys: Vec<String>) -> Vec<String> {
    keys.extend(transitive_keys(call));
    keys.sort();
    keys.dedup();
    keys
}

/// A session keeps the source identity that it began with: it cannot be set to another. AWS docs:
/// *IAM User Guide > Monitor and control actions taken with assumed roles*.
fn source_identity(call: &Call, input: &AssumeRoleRequest) -> Result<Option<String>, AwsError> {
    let keys = call.principal.session_keys.iter();
    let mut kept = keys.filter(|(name, _)| name == "aws:SourceIdentity").map(|(_, it)| it);
    match (kept.next_back(), &input.source_identity) {
        (Some(kept), Some(given)) if kept != given => {
            let who = call.principal.arn();
            Err(not_authorized(&who, "sts:SetSourceIdentity", &input.role_arn))
        }
        (kept, given) => Ok(kept.or(given.as_ref()).cloned()),
    }
}

impl Sts {
    /// Both sides must agree: the caller's policies, and the role's trust policy, which is asked
    /// for tags and a source identity too, whether given or inherited.
    fn refuse_unauthorized(
        &self,
        snapshot: &Snapshot,
        role: Option<&RoleFacts>,
        asked: &Asked<'_>,
        mfa: &[(String, String)],
    ) -> Result<(), AwsError> {
        let Asked { call, input, .. } = *asked;
        if matches!(call.principal.identity, Principal::Root { .. }) {
            return Err(AwsError::access_denied("Roles may not be assumed by root accounts."));
        }
        let role = role.ok_or_else(|| denied(call, &input.role_arn))?;
        let mut actions = vec!["sts:AssumeRole"];
        let has_tags = input.tags.as_ref().is_some_and(|tags| !tags.is_empty());
        actions.extend((has_tags || asked.has_inherited).then_some("sts:TagSession"));
        actions.extend(asked.source.map(|_| "sts:SetSourceIdentity"));
        let mut policies = self.policies(call, snapshot);
        policies.resource.push(role.trust.clone());
        policies.resource_must_agree = true;
        for action in actions {
            let mut context = self.assume_context(asked, role, action);
            for (key, value) in mfa {
                context.set(key, [value.clone()]);
                context.set("aws:MultiFactorAuthAge", ["0"]);
            }
            if !decide(&policies, &context).allowed {
                return Err(not_authorized(&call.principal.arn(), action, &role.arn));
            }
        }
        Ok(())
    }

    fn assume_context(
        &self,
        &Asked { call, input, source, .. }: &Asked<'_>,
        role: &RoleFacts,
        action: &str,
    ) -> haar_policy::RequestContext {
        let mut context = self.context(call, action, &role.arn);
        context.resource_account = Some(role.account.clone());
        context.set("sts:RoleSessionName", [input.role_session_name.clone()]);
        if let Some(id) = &input.external_id {
            context.set("sts:ExternalId", [id.clone()]);
        }
        if let Some(name) = source {
            context.set("sts:SourceIdentity", [name]);
        }
        for tag in input.tags.iter().flatten() {
            context.set(&format!("aws:RequestTag/{}", tag.key), [tag.value.clone()]);
        }
        if let Some(tags) = &input.tags {
            context.set("aws:TagKeys", tags.iter().map(|tag| tag.key.clone()));
        }
        let given = input.transitive_tag_keys.clone().unwrap_or_default();
        context.set(Caller::TRANSITIVE_TAG_KEYS, transitive(call, given));
        for (key, value) in &role.tags {
            for stem in ["aws:ResourceTag", "iam:ResourceTag"] {
                context.set(&format!("{stem}/{key}"), [value.clone()]);
            }
        }
        context
    }
}
