//! Resource-based policies of functions.

use haar_kernel::{Answer, Call, Command, Query};
use haar_lambda_contract::model::{
    AddPermission, AddPermissionResponse, GetPolicy, GetPolicyResponse, RemovePermission,
};
use haar_ledger::{Snapshot, Tx};

use super::Input;
use crate::lookup::{check_revision, find_alias, find_function, find_version};
use crate::rules::names::{Qualifier, function_and_qualifier};
use crate::rules::permission::{self, Grant};
use crate::state::{
    AliasRow, FunctionPolicyRow, PolicyStatement, QualifiedKey, Version, VersionKey, VersionRow,
};
use crate::{Lambda, Refusal};

/// What a policy hangs on, with its revision.
struct Subject {
    key: QualifiedKey,
    revision_id: String,
}

impl Subject {
    fn find(
        call: &Call,
        snapshot: &Snapshot,
        name: &str,
        qualifier: Option<&str>,
    ) -> Result<Self, Refusal> {
        let (function, qualifier) =
            function_and_qualifier(&call.account, &call.region, name, qualifier)?;
        find_function(snapshot, &function)?;
        let key = QualifiedKey::new(&function, qualifier.as_deref());
        let revision_id = match qualifier.as_deref().map(Qualifier::parse) {
            Some(Qualifier::Version(Version::Latest)) => {
                let text = "We currently do not support adding policies for $LATEST.";
                return Err(Refusal::invalid(text));
            }
            None => find_version(snapshot, &VersionKey::latest(&function))?.revision_id.clone(),
            Some(Qualifier::Version(version)) => {
                let at = VersionKey { function, version };
                find_version(snapshot, &at)?.revision_id.clone()
            }
            Some(Qualifier::Alias(_)) => find_alias(snapshot, &key)?.revision_id.clone(),
        };
        Ok(Self { key, revision_id })
    }

    fn policy(&self, snapshot: &Snapshot) -> Vec<PolicyStatement> {
        let row = snapshot.get::<FunctionPolicyRow>(&self.key);
        row.map(|row| row.statements.clone()).unwrap_or_default()
    }

    /// Writes the policy; what it hangs on gets a new revision.
    fn write(&self, call: &Call, tx: &mut Tx, statements: Vec<PolicyStatement>) {
        if statements.is_empty() {
            tx.remove::<FunctionPolicyRow>(&self.key);
        } else {
            tx.put(FunctionPolicyRow { key: self.key.clone(), statements });
        }
        let revision_id = call.ids.uuid();
        match self.key.qualifier().map(Qualifier::parse) {
            Some(Qualifier::Alias(_)) => {
                tx.update::<AliasRow>(&self.key, |row| row.revision_id = revision_id);
            }
            other => {
                let version = match other {
                    Some(Qualifier::Version(version)) => version,
                    _ => Version::Latest,
                };
                let key = VersionKey { function: self.key.function.clone(), version };
                tx.update::<VersionRow>(&key, |row| row.revision_id = revision_id);
            }
        }
    }
}

/// AWS docs: *Lambda API Reference > AddPermission*.
impl Command<AddPermission> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<AddPermission>,
    ) -> Answer<AddPermission> {
        let qualifier = input.qualifier.as_deref();
        let subject = Subject::find(call, tx, &input.function_name, qualifier)?;
        check_revision(input.revision_id.as_deref(), &subject.revision_id, "GetPolicy")?;
        if input.function_url_auth_type.is_some() && input.action != "lambda:InvokeFunctionUrl" {
            return Err(Refusal::invalid(
                "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action",
            )
            .into());
        }
        let new = permission::statement(&Grant {
            sid: input.statement_id,
            action: input.action,
            principal: input.principal,
            resource: subject.key.arn().into(),
            source_arn: input.source_arn,
            source_account: input.source_account,
            event_source_token: input.event_source_token,
            organization: input.principal_org_id,
            url_auth_type: input.function_url_auth_type.map(|kind| kind.to_string()),
            via_url: input.invoked_via_function_url,
        })?;
        let mut statements = subject.policy(tx);
        permission::check_addition(&statements, &new)?;
        statements.push(new.clone());
        subject.write(call, tx, statements);
        Ok(AddPermissionResponse { statement: Some(new.json) })
    }
}

/// AWS docs: *Lambda API Reference > RemovePermission*.
impl Command<RemovePermission> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<RemovePermission>,
    ) -> Answer<RemovePermission> {
        let qualifier = input.qualifier.as_deref();
        let subject = Subject::find(call, tx, &input.function_name, qualifier)?;
        let mut statements = subject.policy(tx);
        if statements.is_empty() {
            let text = "No policy is associated with the given resource.";
            return Err(Refusal::ResourceNotFound(text.to_owned()).into());
        }
        check_revision(input.revision_id.as_deref(), &subject.revision_id, "GetPolicy")?;
        let present = statements.len();
        statements.retain(|statement| statement.sid != input.statement_id);
        if statements.len() == present {
            let text = format!("Statement {} is not found in resource policy.", input.statement_id);
            return Err(Refusal::ResourceNotFound(text).into());
        }
        subject.write(call, tx, statements);
        Ok(Default::default())
    }
}

/// AWS docs: *Lambda API Reference > GetPolicy*.
impl Query<GetPolicy> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<GetPolicy>,
    ) -> Answer<GetPolicy> {
        let qualifier = input.qualifier.as_deref();
        let subject = Subject::find(call, snapshot, &input.function_name, qualifier)?;
        let statements = subject.policy(snapshot);
        if statements.is_empty() {
            return Err(no_such_resource().into());
        }
        Ok(GetPolicyResponse {
            policy: Some(permission::document(&statements)),
            revision_id: Some(subject.revision_id),
        })
    }
}

/// What Lambda says of a thing that is not there and has no better words.
pub(super) fn no_such_resource() -> Refusal {
    Refusal::ResourceNotFound("The resource you requested does not exist.".to_owned())
}
