//! Repositories: created, deleted, described, set.

use haar_ecr_contract::model::{
    CreateRepository, CreateRepositoryRequest, CreateRepositoryResponse, DeleteRepository,
    DeleteRepositoryRequest, DeleteRepositoryResponse, DescribeRepositories,
    DescribeRepositoriesRequest, DescribeRepositoriesResponse, PutImageTagMutability,
    PutImageTagMutabilityRequest, PutImageTagMutabilityResponse,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use crate::Ecr;
use crate::announce::Telling;
use crate::images;
use crate::listing::PageAsk;
use crate::lookup::{find_repository, key_of};
use crate::refusal;
use crate::render;
use crate::rules::{mutability, tags};
use crate::state::{
    ImageRow, LayerRow, PreviewRow, RegistryKey, RepositoryKey, RepositoryRow, RepositorySettings,
    UploadRow,
};

/// Repositories on a page where the caller asks for no number.
const PAGE_COUNT: usize = 100;

/// AWS docs: *Amazon ECR API Reference > CreateRepository*.
impl Command<CreateRepository> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateRepositoryRequest,
    ) -> Answer<CreateRepository> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        if tx.contains::<RepositoryRow>(&key) {
            return Err(refusal::repository_exists(&key));
        }
        let scanning = input.image_scanning_configuration.unwrap_or_default();
        let mut settings = RepositorySettings {
            scan_on_push: scanning.scan_on_push.unwrap_or_default(),
            encryption: input.encryption_configuration.unwrap_or_default(),
            ..RepositorySettings::default()
        };
        let filters = input.image_tag_mutability_exclusion_filters;
        mutability::set(&mut settings, input.image_tag_mutability, filters)?;
        tags::add(&mut settings.tags, input.tags.unwrap_or_default())?;
        let row = RepositoryRow { key, created_at: call.now, settings };
        let repository = Some(render::repository(&row, &call.endpoint));
        tx.put(row);
        Ok(CreateRepositoryResponse { repository })
    }
}

/// AWS docs: *Amazon ECR API Reference > DeleteRepository*.
impl Command<DeleteRepository> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteRepositoryRequest,
    ) -> Answer<DeleteRepository> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        let row = find_repository(tx, &key)?;
        let force = input.force.unwrap_or_default();
        if !force && key.images(tx).next().is_some() {
            return Err(refusal::not_empty(&key));
        }
        clear(tx, &key, &self.telling(call.now));
        tx.remove::<RepositoryRow>(&key);
        Ok(DeleteRepositoryResponse { repository: Some(render::repository(&row, &call.endpoint)) })
    }
}

/// Removes all that a repository has. The bytes of its uploads go with the sweeper.
fn clear(tx: &mut Tx, key: &RepositoryKey, telling: &Telling<'_>) {
    let all: Vec<std::sync::Arc<ImageRow>> = key.images(tx).collect();
    for image in all {
        images::remove(tx, &image, telling);
    }
    let layers: Vec<_> = key.layers(tx).map(|row| row.key.clone()).collect();
    for layer in layers {
        tx.remove::<LayerRow>(&layer);
    }
    let of_it = tx.all::<UploadRow>().filter(|row| row.repository == *key);
    let uploads: Vec<_> = of_it.map(|row| row.key.clone()).collect();
    for upload in uploads {
        tx.remove::<UploadRow>(&upload);
    }
    tx.remove::<PreviewRow>(key);
}

/// AWS docs: *Amazon ECR API Reference > DescribeRepositories*.
impl Query<DescribeRepositories> for Ecr {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeRepositoriesRequest,
    ) -> Answer<DescribeRepositories> {
        let registry = RegistryKey::of(call, input.registry_id.as_deref());
        let render = |row: &std::sync::Arc<RepositoryRow>| render::repository(row, &call.endpoint);
        if let Some(names) = input.repository_names {
            if input.next_token.is_some() || input.max_results.is_some() {
                return Err(refusal::invalid(
                    "Invalid parameter: repositoryNames cannot be given with nextToken or \
                     maxResults",
                ));
            }
            let found = names
                .iter()
                .map(|name| find_repository(snapshot, &registry.repository(name)))
                .collect::<Result<Vec<_>, AwsError>>()?;
            let repositories = Some(found.iter().map(render).collect());
            return Ok(DescribeRepositoriesResponse { repositories, next_token: None });
        }
        let scope = format!("ecr.repositories/{}/{}", registry.account, registry.region);
        let ask = PageAsk { scope, token: input.next_token, max: input.max_results };
        let rows = registry.repositories(snapshot);
        let (page, next_token) = ask.cut(rows, PAGE_COUNT, |row| row.key.name.clone())?;
        let repositories = Some(page.iter().map(render).collect());
        Ok(DescribeRepositoriesResponse { repositories, next_token })
    }
}

/// AWS docs: *Amazon ECR API Reference > PutImageTagMutability*.
impl Command<PutImageTagMutability> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutImageTagMutabilityRequest,
    ) -> Answer<PutImageTagMutability> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        let mut row = (*find_repository(tx, &key)?).clone();
        let filters = input.image_tag_mutability_exclusion_filters;
        mutability::set(&mut row.settings, Some(input.image_tag_mutability), filters)?;
        let answer = PutImageTagMutabilityResponse {
            registry_id: Some(key.registry.account.to_string()),
            repository_name: Some(key.name),
            image_tag_mutability: Some(row.settings.mutability),
            image_tag_mutability_exclusion_filters: mutability::shown(&row.settings),
        };
        tx.put(row);
        Ok(answer)
    }
}
