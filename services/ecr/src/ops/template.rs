//! Repository creation templates.

use std::sync::Arc;

use haar_ecr_contract::model::{
    CreateRepositoryCreationTemplate, CreateRepositoryCreationTemplateRequest,
    CreateRepositoryCreationTemplateResponse, DeleteRepositoryCreationTemplate,
    DeleteRepositoryCreationTemplateRequest, DeleteRepositoryCreationTemplateResponse,
    DescribeRepositoryCreationTemplates, DescribeRepositoryCreationTemplatesRequest,
    DescribeRepositoryCreationTemplatesResponse, EncryptionConfiguration,
    EncryptionConfigurationForRepositoryCreationTemplate, RepositoryCreationTemplate,
    UpdateRepositoryCreationTemplate, UpdateRepositoryCreationTemplateRequest,
    UpdateRepositoryCreationTemplateResponse,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::Tags;
use haar_wire::AwsError;

use super::{lifecycle, repository_policy};
use crate::Ecr;
use crate::listing::PageAsk;
use crate::refusal;
use crate::rules::{mutability, tags};
use crate::state::{LifecyclePolicy, PrefixKey, RegistryKey, RepositorySettings, TemplateRow};

/// Templates on a page where the caller asks for no number.
const PAGE_COUNT: usize = 100;

fn find(snapshot: &Snapshot, key: &PrefixKey) -> Result<Arc<TemplateRow>, AwsError> {
    snapshot.get::<TemplateRow>(key).ok_or_else(|| {
        let (registry, prefix) = key;
        let text = format!(
            "The repository creation template with prefix '{prefix}' does not exist in the \
             registry with id '{}'",
            registry.account
        );
        refusal::error("TemplateNotFoundException", text)
    })
}

fn encryption(
    of: Option<EncryptionConfigurationForRepositoryCreationTemplate>,
) -> EncryptionConfiguration {
    let set = |it: EncryptionConfigurationForRepositoryCreationTemplate| EncryptionConfiguration {
        encryption_type: it.encryption_type,
        kms_key: it.kms_key.filter(|key| !key.is_empty()),
    };
    of.map(set).unwrap_or_default()
}

/// Policies must be such as could be set on a repository; an empty one is none.
fn check_policies(
    settings: &mut RepositorySettings,
    policy: Option<String>,
    lifecycle: Option<String>,
) -> Result<(), AwsError> {
    if let Some(text) = policy {
        let set = Some(text).filter(|text| !text.is_empty());
        let kept = set.map(|text| repository_policy::kept(&text, "repositoryPolicy"));
        settings.policy = kept.transpose()?;
    }
    if let Some(text) = lifecycle {
        let set = Some(text).filter(|text| !text.is_empty());
        let kept = set.map(|text| lifecycle::kept(&text)).transpose()?;
        settings.lifecycle = kept.map(|text| LifecyclePolicy { text, evaluated_at: None });
    }
    Ok(())
}

/// AWS docs: *Amazon ECR API Reference > CreateRepositoryCreationTemplate*.
impl Command<CreateRepositoryCreationTemplate> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateRepositoryCreationTemplateRequest,
    ) -> Answer<CreateRepositoryCreationTemplate> {
        let registry = RegistryKey::of(call, None);
        let key = (registry.clone(), input.prefix);
        if tx.contains::<TemplateRow>(&key) {
            let text = format!(
                "The repository creation template with prefix '{}' already exists in the registry \
                 with id '{}'",
                key.1, registry.account
            );
            return Err(refusal::error("TemplateAlreadyExistsException", text));
        }
        let mut settings = RepositorySettings {
            encryption: encryption(input.encryption_configuration),
            ..RepositorySettings::default()
        };
        let filters = input.image_tag_mutability_exclusion_filters;
        mutability::set(&mut settings, input.image_tag_mutability, filters)?;
        tags::add(&mut settings.tags, input.resource_tags.unwrap_or_default())?;
        check_policies(&mut settings, input.repository_policy, input.lifecycle_policy)?;
        let row = TemplateRow {
            key,
            description: input.description,
            settings,
            applied_for: input.applied_for,
            custom_role_arn: input.custom_role_arn,
            created_at: call.now,
            updated_at: call.now,
        };
        let template = Some(shown(&row));
        tx.put(row);
        Ok(CreateRepositoryCreationTemplateResponse {
            registry_id: Some(registry.account.to_string()),
            repository_creation_template: template,
        })
    }
}

/// AWS docs: *Amazon ECR API Reference > UpdateRepositoryCreationTemplate*.
impl Command<UpdateRepositoryCreationTemplate> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateRepositoryCreationTemplateRequest,
    ) -> Answer<UpdateRepositoryCreationTemplate> {
        let registry = RegistryKey::of(call, None);
        let mut row = (*find(tx, &(registry.clone(), input.prefix))?).clone();
        if let Some(set) = input.encryption_configuration {
            row.settings.encryption = encryption(Some(set));
        }
        if input.image_tag_mutability.is_some() {
            let filters = input.image_tag_mutability_exclusion_filters;
            mutability::set(&mut row.settings, input.image_tag_mutability, filters)?;
        }
        if let Some(all) = input.resource_tags {
            row.settings.tags = Tags::new();
            tags::add(&mut row.settings.tags, all)?;
        }
        check_policies(&mut row.settings, input.repository_policy, input.lifecycle_policy)?;
        row.description = input.description.or(row.description);
        row.custom_role_arn = input.custom_role_arn.or(row.custom_role_arn);
        row.applied_for = input.applied_for.unwrap_or(row.applied_for);
        row.updated_at = call.now;
        let template = Some(shown(&row));
        tx.put(row);
        Ok(UpdateRepositoryCreationTemplateResponse {
            registry_id: Some(registry.account.to_string()),
            repository_creation_template: template,
        })
    }
}

/// AWS docs: *Amazon ECR API Reference > DeleteRepositoryCreationTemplate*.
impl Command<DeleteRepositoryCreationTemplate> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteRepositoryCreationTemplateRequest,
    ) -> Answer<DeleteRepositoryCreationTemplate> {
        let registry = RegistryKey::of(call, None);
        let row = find(tx, &(registry.clone(), input.prefix))?;
        tx.remove::<TemplateRow>(&row.key);
        Ok(DeleteRepositoryCreationTemplateResponse {
            registry_id: Some(registry.account.to_string()),
            repository_creation_template: Some(shown(&row)),
        })
    }
}

/// AWS docs: *Amazon ECR API Reference > DescribeRepositoryCreationTemplates*.
impl Query<DescribeRepositoryCreationTemplates> for Ecr {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeRepositoryCreationTemplatesRequest,
    ) -> Answer<DescribeRepositoryCreationTemplates> {
        let registry = RegistryKey::of(call, None);
        let wanted = input.prefixes.filter(|prefixes| !prefixes.is_empty());
        let rows = snapshot.range::<TemplateRow>(registry.texts());
        let rows =
            rows.filter(|row| wanted.as_ref().is_none_or(|wanted| wanted.contains(&row.key.1)));
        let scope = format!("ecr.templates/{}/{}", registry.account, registry.region);
        let ask = PageAsk { scope, token: input.next_token, max: input.max_results };
        let (page, next_token) = ask.cut(rows, PAGE_COUNT, |row| row.key.1.clone())?;
        Ok(DescribeRepositoryCreationTemplatesResponse {
            registry_id: Some(registry.account.to_string()),
            repository_creation_templates: Some(page.iter().map(|row| shown(row)).collect()),
            next_token,
        })
    }
}

fn shown(row: &TemplateRow) -> RepositoryCreationTemplate {
    let settings = &row.settings;
    RepositoryCreationTemplate {
        prefix: Some(row.key.1.clone()),
        description: row.description.clone(),
        encryption_configuration: Some(EncryptionConfigurationForRepositoryCreationTemplate {
            encryption_type: settings.encryption.encryption_type,
            kms_key: settings.encryption.kms_key.clone(),
        }),
        resource_tags: (!settings.tags.is_empty()).then(|| tags::shown(&settings.tags)),
        image_tag_mutability: Some(settings.mutability),
        image_tag_mutability_exclusion_filters: mutability::shown(settings),
        repository_policy: settings.policy.clone(),
        lifecycle_policy: settings.lifecycle.as_ref().map(|policy| policy.text.clone()),
        applied_for: Some(row.applied_for.clone()),
        custom_role_arn: row.custom_role_arn.clone(),
        created_at: Some(row.created_at),
        updated_at: Some(row.updated_at),
    }
}
