//! What other rooms ask.

use std::time::Duration;

use haar_clock::Ids;
use haar_iam_contract::peek::{
    AssumeError, IamPeek, MfaError, OidcProviderFacts, RoleFacts, ServiceSession,
    SessionCredentials, SessionGrant,
};
use haar_kernel::{Auth, Identities as _, Principal as Caller};
use haar_ledger::{Committed, Snapshot};
use haar_policy::{PolicySet, Principal, RequestContext, decide};
use haar_types::{AccountId, Arn, Tags, Timestamp};

use crate::Iam;
use crate::lookup::{find_mfa, policy_text, role_of_arn};
use crate::policies::user_of_arn;
use crate::rules::{account_of_access_key, derived_role_id, totp};
use crate::state::{MfaHolder, MfaRow, Named as _, OidcRow};

impl IamPeek for Iam {
    fn role(&self, snapshot: &Snapshot, arn: &str) -> Option<RoleFacts> {
        let row = role_of_arn(snapshot, arn)?;
        Some(RoleFacts {
            arn: row.arn(),
            trust: self.parsed.document(&row.trust)?,
            session_max: Duration::from_secs(u64::from(row.session_seconds_max)),
            account: row.account.clone(),
            name: row.name.clone(),
            id: row.id.clone(),
            tags: row.tags.clone(),
        })
    }

    fn service_may_assume(
        &self,
        snapshot: &Snapshot,
        role_arn: &str,
        service: &str,
        source_arn: &str,
    ) -> Result<(), AssumeError> {
        let role = self.role(snapshot, role_arn).ok_or(AssumeError::NoSuchRole)?;
        let principal = Principal::Service { name: service.to_owned() };
        let mut context = RequestContext::new(principal, "sts:AssumeRole", role_arn);
        context.set("aws:SourceArn", [source_arn]);
        let account = source_arn.split(':').nth(4).filter(|account| !account.is_empty());
        context.set("aws:SourceAccount", account);
        let policies = PolicySet { resource: vec![role.trust], ..PolicySet::default() };
        match decide(&policies, &context).allowed {
            true => Ok(()),
            false => Err(AssumeError::NotTrusted),
        }
    }

    fn may_pass_role(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        role_arn: &str,
        service: &str,
    ) -> Result<(), String> {
        if self.doors.settings.auth == Auth::Permissive {
            return Ok(());
        }
        // AWS docs: *Grant a user permissions to pass a role to an AWS service*: never to a
        // resource in another account.
        if role_arn.split(':').nth(4) != Some(caller.account.as_str()) {
            return Err("Cross-account pass role is not allowed.".to_owned());
        }
        let action = "iam:PassRole";
        let mut context = RequestContext::new(caller.identity.clone(), action, role_arn);
        context.set("iam:PassedToService", [service.to_owned()]);
        for (key, values) in caller.session_values() {
            context.set(key, values);
        }
        let decision = decide(&self.policies(snapshot, caller), &context);
        if decision.allowed { Ok(()) } else { Err(decision.message(&context)) }
    }

    fn service_session(
        &self,
        snapshot: &Snapshot,
        ids: &Ids,
        session: &ServiceSession<'_>,
        now: Timestamp,
    ) -> Result<SessionCredentials, AssumeError> {
        let principal = self.role_session(snapshot, session.role_arn, session.session_name);
        let grant = SessionGrant {
            principal: principal.ok_or(AssumeError::NoSuchRole)?,
            policies: Vec::new(),
            keys: vec![("aws:SourceService".to_owned(), session.service.to_owned())],
            transitive_tags: Vec::new(),
            issued_at: now,
            expires_at: now + session.lifetime,
        };
        Ok(self.mint(ids, &grant))
    }

    fn mint(&self, ids: &Ids, grant: &SessionGrant) -> SessionCredentials {
        self.keep_install_key();
        self.sealer.mint(ids, grant)
    }

    fn role_session(
        &self,
        snapshot: &Snapshot,
        role_arn: &str,
        session_name: &str,
    ) -> Option<Principal> {
        let arn: Arn = role_arn.parse().ok()?;
        let account: AccountId = arn.account().parse().ok()?;
        let name = arn.resource().strip_prefix("role/")?.rsplit('/').next()?;
        let role = role_of_arn(snapshot, role_arn);
        if role.is_none() && self.doors.settings.auth == Auth::Enforce {
            return None;
        }
        let name = role.as_ref().map_or(name, |role| &role.name);
        let role_id = role.as_ref().map_or_else(|| derived_role_id(role_arn), |it| it.id.clone());
        Some(Principal::RoleSession {
            session_arn: format!("arn:aws:sts::{account}:assumed-role/{name}/{session_name}"),
            account,
            role_arn: role_arn.to_owned(),
            id: format!("{role_id}:{session_name}"),
        })
    }

    fn account_of_access_key(&self, access_key_id: &str) -> Option<AccountId> {
        account_of_access_key(access_key_id)
    }

    fn open_denial(&self, account: &AccountId, message: &str) -> Option<String> {
        self.sealer.open_text(account, message)
    }

    fn managed_policy(&self, snapshot: &Snapshot, arn: &str) -> Option<String> {
        policy_text(snapshot, arn)
    }

    fn user_tags(&self, snapshot: &Snapshot, user_arn: &str) -> Tags {
        user_of_arn(snapshot, user_arn).map(|user| user.tags.clone()).unwrap_or_default()
    }

    fn take_mfa_code(
        &self,
        caller: &Principal,
        serial: &str,
        code: &str,
        now: Timestamp,
    ) -> Result<Committed<()>, MfaError> {
        let is_open = self.doors.settings.auth == Auth::Permissive;
        let account = caller.account().ok_or(MfaError::NotTheirs)?;
        self.doors.ledger.transact(|tx| {
            let Ok(device) = find_mfa(tx, account, serial) else {
                return if is_open { Ok(()) } else { Err(MfaError::NotTheirs) };
            };
            let is_theirs = |holder: &&MfaHolder| {
                is_open || matches!(caller, Principal::User { id, .. } if *id == holder.user)
            };
            let holder = device.holder.as_ref().filter(is_theirs).ok_or(MfaError::NotTheirs)?;
            let expected = totp::step_at(now) + holder.drift;
            let seed = self.seed_of(&device).map_err(|_| MfaError::NotTheirs)?;
            let step = totp::find_step(&seed, code, expected, holder.taken);
            let taken = step.ok_or(MfaError::WrongCode)?;
            let holder = Some(MfaHolder { taken, ..holder.clone() });
            tx.put(MfaRow { holder, ..MfaRow::clone(&device) });
            Ok(())
        })
    }

    fn oidc_provider(
        &self,
        snapshot: &Snapshot,
        account: &AccountId,
        issuer: &str,
    ) -> Option<OidcProviderFacts> {
        let name = crate::rules::issuers::name_of(issuer);
        let row = snapshot.get::<OidcRow>(&(account.clone(), name.to_owned()))?;
        Some(OidcProviderFacts {
            arn: row.id.clone(),
            url: row.url.clone(),
            client_ids: row.client_ids.clone(),
        })
    }
}
