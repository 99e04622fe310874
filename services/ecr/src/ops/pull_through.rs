//! Pull-through cache rules.

use std::sync::Arc;

use haar_ecr_contract::model::{
    CreatePullThroughCacheRule, CreatePullThroughCacheRuleRequest,
    CreatePullThroughCacheRuleResponse, DeletePullThroughCacheRule,
    DeletePullThroughCacheRuleRequest, DeletePullThroughCacheRuleResponse,
    DescribePullThroughCacheRules, DescribePullThroughCacheRulesRequest,
    DescribePullThroughCacheRulesResponse, PullThroughCacheRule, UpdatePullThroughCacheRule,
    UpdatePullThroughCacheRuleRequest, UpdatePullThroughCacheRuleResponse, UpstreamRegistry,
    ValidatePullThroughCacheRule, ValidatePullThroughCacheRuleRequest,
    ValidatePullThroughCacheRuleResponse,
};
use haar_kernel::{Answer, Call, Command, Flow, Query};
use haar_ledger::{Snapshot, Tx};
use haar_registry::Endpoint;
use haar_secretsmanager_contract::peek::SecretError;
use haar_wire::AwsError;

use crate::Ecr;
use crate::listing::PageAsk;
use crate::refusal;
use crate::rules::hosts;
use crate::state::{PrefixKey, PullThroughRow, RegistryKey};

/// Rules on a page where the caller asks for no number.
const PAGE_COUNT: usize = 100;

/// The hosts of upstreams that AWS knows by name.
const KNOWN: [(&str, UpstreamRegistry); 7] = [
    ("public.ecr.aws", UpstreamRegistry::EcrPublic),
    ("quay.io", UpstreamRegistry::Quay),
    ("registry.k8s.io", UpstreamRegistry::K8s),
    ("registry-1.docker.io", UpstreamRegistry::DockerHub),
    ("ghcr.io", UpstreamRegistry::GithubContainerRegistry),
    ("registry.gitlab.com", UpstreamRegistry::GitlabContainerRegistry),
    ("cgr.dev", UpstreamRegistry::Chainguard),
];

/// Which upstream a host is. AWS takes these alone, haar any other as well.
fn upstream_of(url: &str) -> Option<UpstreamRegistry> {
    let host = url.trim_end_matches('/').rsplit("//").next().unwrap_or_default();
    let known = KNOWN.iter().find(|(name, _)| *name == host).map(|(_, upstream)| *upstream);
    known.or_else(|| match host {
        host if host.ends_with(".azurecr.io") => Some(UpstreamRegistry::AzureContainerRegistry),
        host if hosts::registry_of(host).is_some() => Some(UpstreamRegistry::Ecr),
        _ => None,
    })
}

fn find(snapshot: &Snapshot, key: &PrefixKey) -> Result<Arc<PullThroughRow>, AwsError> {
    snapshot.get::<PullThroughRow>(key).ok_or_else(|| {
        let text = format!(
            "The pull through cache rule with repository prefix '{}' does not exist in the \
             registry with id '{}'",
            key.1, key.0.account
        );
        refusal::error("PullThroughCacheRuleNotFoundException", text)
    })
}

fn key_of(call: &Call, registry: Option<&String>, prefix: String) -> PrefixKey {
    (RegistryKey::of(call, registry.map(String::as_str)), prefix)
}

impl Ecr {
    /// Refuses a rule whose secret is not there.
    fn find_secret(&self, snapshot: &Snapshot, row: &PullThroughRow) -> Result<(), AwsError> {
        let Some(arn) = &row.credential_arn else { return Ok(()) };
        let (name, text) = match self.secret(snapshot, row, arn) {
            Ok(_) => return Ok(()),
            Err(SecretError::Deleted(_)) => (
                "UnableToAccessSecretException",
                "The secret is unable to be accessed. Verify the resource permissions and try \
                 again.",
            ),
            Err(_) => (
                "SecretNotFoundException",
                "The ARN of the secret specified in the pull through cache rule was not found. \
                 Update the pull through cache rule with a valid secret ARN and try again.",
            ),
        };
        Err(refusal::error(name, text))
    }
}

/// AWS docs: *Amazon ECR API Reference > CreatePullThroughCacheRule*.
impl Command<CreatePullThroughCacheRule> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreatePullThroughCacheRuleRequest,
    ) -> Answer<CreatePullThroughCacheRule> {
        let key = key_of(call, input.registry_id.as_ref(), input.ecr_repository_prefix);
        if tx.contains::<PullThroughRow>(&key) {
            let text = format!(
                "A pull through cache rule with repository prefix '{}' already exists in the \
                 registry with id '{}'",
                key.1, key.0.account
            );
            return Err(refusal::error("PullThroughCacheRuleAlreadyExistsException", text));
        }
        if Endpoint::parse(&input.upstream_registry_url).is_none() {
            let text = format!(
                "The specified upstream registry '{}' isn't supported.",
                input.upstream_registry_url
            );
            return Err(refusal::error("UnsupportedUpstreamRegistryException", text));
        }
        let row = PullThroughRow {
            upstream: input.upstream_registry.or_else(|| upstream_of(&input.upstream_registry_url)),
            key,
            upstream_url: input.upstream_registry_url,
            upstream_prefix: input.upstream_repository_prefix,
            custom_role_arn: input.custom_role_arn,
            credential_arn: input.credential_arn,
            created_at: call.now,
            updated_at: call.now,
        };
        self.find_secret(tx, &row)?;
        let shown = shown(&row);
        tx.put(row);
        Ok(CreatePullThroughCacheRuleResponse {
            ecr_repository_prefix: shown.ecr_repository_prefix,
            upstream_registry_url: shown.upstream_registry_url,
            created_at: shown.created_at,
            registry_id: shown.registry_id,
            upstream_registry: shown.upstream_registry,
            credential_arn: shown.credential_arn,
            custom_role_arn: shown.custom_role_arn,
            upstream_repository_prefix: shown.upstream_repository_prefix,
        })
    }
}

/// AWS docs: *Amazon ECR API Reference > UpdatePullThroughCacheRule*.
impl Command<UpdatePullThroughCacheRule> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdatePullThroughCacheRuleRequest,
    ) -> Answer<UpdatePullThroughCacheRule> {
        let key = key_of(call, input.registry_id.as_ref(), input.ecr_repository_prefix);
        let mut row = (*find(tx, &key)?).clone();
        row.custom_role_arn = input.custom_role_arn.or(row.custom_role_arn);
        row.credential_arn = input.credential_arn.or(row.credential_arn);
        self.find_secret(tx, &row)?;
        row.updated_at = call.now;
        let shown = shown(&row);
        tx.put(row);
        Ok(UpdatePullThroughCacheRuleResponse {
            ecr_repository_prefix: shown.ecr_repository_prefix,
            registry_id: shown.registry_id,
            updated_at: shown.updated_at,
            credential_arn: shown.credential_arn,
            custom_role_arn: shown.custom_role_arn,
            upstream_repository_prefix: shown.upstream_repository_prefix,
        })
    }
}

/// AWS docs: *Amazon ECR API Reference > DeletePullThroughCacheRule*.
impl Command<DeletePullThroughCacheRule> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeletePullThroughCacheRuleRequest,
    ) -> Answer<DeletePullThroughCacheRule> {
        let key = key_of(call, input.registry_id.as_ref(), input.ecr_repository_prefix);
        let row = find(tx, &key)?;
        tx.remove::<PullThroughRow>(&key);
        let shown = shown(&row);
        Ok(DeletePullThroughCacheRuleResponse {
            ecr_repository_prefix: shown.ecr_repository_prefix,
            upstream_registry_url: shown.upstream_registry_url,
            created_at: shown.created_at,
            registry_id: shown.registry_id,
            credential_arn: shown.credential_arn,
            custom_role_arn: shown.custom_role_arn,
            upstream_repository_prefix: shown.upstream_repository_prefix,
        })
    }
}

/// AWS docs: *Amazon ECR API Reference > DescribePullThroughCacheRules*.
impl Query<DescribePullThroughCacheRules> for Ecr {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribePullThroughCacheRulesRequest,
    ) -> Answer<DescribePullThroughCacheRules> {
        let registry = RegistryKey::of(call, input.registry_id.as_deref());
        if let Some(prefixes) = input.ecr_repository_prefixes.filter(|it| !it.is_empty()) {
            let rules = prefixes
                .into_iter()
                .map(|prefix| Ok(shown(&*find(snapshot, &(registry.clone(), prefix))?)))
                .collect::<Result<Vec<_>, AwsError>>()?;
            return Ok(DescribePullThroughCacheRulesResponse {
                pull_through_cache_rules: Some(rules),
                next_token: None,
            });
        }
        let scope = format!("ecr.pull_through/{}/{}", registry.account, registry.region);
        let ask = PageAsk { scope, token: input.next_token, max: input.max_results };
        let rows = snapshot.range::<PullThroughRow>(registry.texts());
        let (page, next_token) = ask.cut(rows, PAGE_COUNT, |row| row.key.1.clone())?;
        Ok(DescribePullThroughCacheRulesResponse {
            pull_through_cache_rules: Some(page.iter().map(|row| shown(row)).collect()),
            next_token,
        })
    }
}

/// AWS docs: *Amazon ECR API Reference > ValidatePullThroughCacheRule*. Asks the upstream.
impl Flow<ValidatePullThroughCacheRule> for Ecr {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: ValidatePullThroughCacheRuleRequest,
    ) -> Answer<ValidatePullThroughCacheRule> {
        let key = key_of(&call, input.registry_id.as_ref(), input.ecr_repository_prefix);
        let row = find(&self.doors.ledger.snapshot(), &key)?;
        let failure = self.check_upstream(&row).await.err();
        let shown = shown(&row);
        Ok(ValidatePullThroughCacheRuleResponse {
            ecr_repository_prefix: shown.ecr_repository_prefix,
            registry_id: shown.registry_id,
            upstream_registry_url: shown.upstream_registry_url,
            credential_arn: shown.credential_arn,
            custom_role_arn: shown.custom_role_arn,
            upstream_repository_prefix: shown.upstream_repository_prefix,
            is_valid: Some(failure.is_none()),
            failure: failure.map(|fault| fault.to_string()),
        })
    }
}

fn shown(row: &PullThroughRow) -> PullThroughCacheRule {
    PullThroughCacheRule {
        ecr_repository_prefix: Some(row.key.1.clone()),
        upstream_registry_url: Some(row.upstream_url.clone()),
        created_at: Some(row.created_at),
        registry_id: Some(row.key.0.account.to_string()),
        credential_arn: row.credential_arn.clone(),
        custom_role_arn: row.custom_role_arn.clone(),
        upstream_repository_prefix: row.upstream_prefix.clone(),
        upstream_registry: row.upstream,
        updated_at: Some(row.updated_at),
    }
}
