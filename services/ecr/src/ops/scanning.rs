//! Scanning: its settings are stored. haar scans nothing, so there are no findings.

use haar_ecr_contract::model::{
    BatchGetRepositoryScanningConfiguration, BatchGetRepositoryScanningConfigurationRequest,
    BatchGetRepositoryScanningConfigurationResponse, DescribeImageScanFindings,
    DescribeImageScanFindingsRequest, GetRegistryScanningConfiguration,
    GetRegistryScanningConfigurationRequest, GetRegistryScanningConfigurationResponse,
    ImageScanningConfiguration, PutImageScanningConfiguration,
    PutImageScanningConfigurationRequest, PutImageScanningConfigurationResponse,
    PutRegistryScanningConfiguration, PutRegistryScanningConfigurationRequest,
    PutRegistryScanningConfigurationResponse, RegistryScanningConfiguration,
    RepositoryScanningConfiguration, RepositoryScanningConfigurationFailure, ScanFrequency,
    ScanType, ScanningConfigurationFailureCode, ScanningRepositoryFilter, StartImageScan,
    StartImageScanRequest,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};

use crate::Ecr;
use crate::lookup::{expect_image, find_repository, key_of};
use crate::refusal;
use crate::rules::glob;
use crate::state::{RegistryKey, RegistryRow, RepositoryRow};

/// AWS docs: *Amazon ECR API Reference > StartImageScan*.
impl Query<StartImageScan> for Ecr {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: StartImageScanRequest,
    ) -> Answer<StartImageScan> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        find_repository(snapshot, &key)?;
        let image = expect_image(snapshot, &key, &input.image_id)?;
        if image.is_archived {
            return Err(refusal::archived(&key, &input.image_id));
        }
        let text = "The image is of a type that cannot be scanned: haar scans no images.";
        Err(refusal::error("UnsupportedImageTypeException", text))
    }
}

/// AWS docs: *Amazon ECR API Reference > DescribeImageScanFindings*.
impl Query<DescribeImageScanFindings> for Ecr {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeImageScanFindingsRequest,
    ) -> Answer<DescribeImageScanFindings> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        find_repository(snapshot, &key)?;
        expect_image(snapshot, &key, &input.image_id)?;
        let text = format!(
            "Image scan does not exist for the image with '{}' in the repository with name '{}' \
             in the registry with id '{}'",
            refusal::shown(&input.image_id),
            key.name,
            key.registry.account,
        );
        Err(refusal::error("ScanNotFoundException", text))
    }
}

/// AWS docs: *Amazon ECR API Reference > PutImageScanningConfiguration*.
impl Command<PutImageScanningConfiguration> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutImageScanningConfigurationRequest,
    ) -> Answer<PutImageScanningConfiguration> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        find_repository(tx, &key)?;
        let scan_on_push = input.image_scanning_configuration.scan_on_push.unwrap_or_default();
        tx.update::<RepositoryRow>(&key, |row| row.settings.scan_on_push = scan_on_push);
        Ok(PutImageScanningConfigurationResponse {
            registry_id: Some(key.registry.account.to_string()),
            repository_name: Some(key.name),
            image_scanning_configuration: Some(ImageScanningConfiguration {
                scan_on_push: Some(scan_on_push),
            }),
        })
    }
}

/// AWS docs: *Amazon ECR API Reference > PutRegistryScanningConfiguration*.
impl Command<PutRegistryScanningConfiguration> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutRegistryScanningConfigurationRequest,
    ) -> Answer<PutRegistryScanningConfiguration> {
        let scan_type = input.scan_type.unwrap_or(ScanType::Basic);
        let rules = input.rules.unwrap_or_default();
        let is_continuous =
            rules.iter().any(|rule| rule.scan_frequency == ScanFrequency::ContinuousScan);
        if scan_type == ScanType::Basic && is_continuous {
            let text = "CONTINUOUS_SCAN is only supported with the scan type ENHANCED.";
            return Err(refusal::validation(text));
        }
        let configuration =
            RegistryScanningConfiguration { scan_type: Some(scan_type), rules: Some(rules) };
        let row = RegistryKey::of(call, None).row(tx);
        tx.put(RegistryRow { scanning: Some(configuration.clone()), ..row });
        Ok(PutRegistryScanningConfigurationResponse {
            registry_scanning_configuration: Some(configuration),
        })
    }
}

fn scanning_of(row: RegistryRow) -> RegistryScanningConfiguration {
    row.scanning.unwrap_or_else(|| RegistryScanningConfiguration {
        scan_type: Some(ScanType::Basic),
        rules: Some(Vec::new()),
    })
}

/// AWS docs: *Amazon ECR API Reference > GetRegistryScanningConfiguration*.
impl Query<GetRegistryScanningConfiguration> for Ecr {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        _: GetRegistryScanningConfigurationRequest,
    ) -> Answer<GetRegistryScanningConfiguration> {
        let key = RegistryKey::of(call, None);
        Ok(GetRegistryScanningConfigurationResponse {
            registry_id: Some(key.account.to_string()),
            scanning_configuration: Some(scanning_of(key.row(snapshot))),
        })
    }
}

/// AWS docs: *Amazon ECR API Reference > BatchGetRepositoryScanningConfiguration*.
impl Query<BatchGetRepositoryScanningConfiguration> for Ecr {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: BatchGetRepositoryScanningConfigurationRequest,
    ) -> Answer<BatchGetRepositoryScanningConfiguration> {
        let registry = RegistryKey::of(call, None);
        let scanning = scanning_of(registry.row(snapshot));
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for name in input.repository_names {
            let key = registry.repository(&name);
            match find_repository(snapshot, &key) {
                Ok(row) => found.push(applied(&row, &scanning)),
                Err(error) => failures.push(RepositoryScanningConfigurationFailure {
                    repository_name: Some(name),
                    failure_code: Some(ScanningConfigurationFailureCode::RepositoryNotFound),
                    failure_reason: Some(error.message().to_owned()),
                }),
            }
        }
        Ok(BatchGetRepositoryScanningConfigurationResponse {
            scanning_configurations: Some(found),
            failures: Some(failures),
        })
    }
}

/// What the registry's rules mean for a repository; without a rule, its own setting.
fn applied(
    row: &RepositoryRow,
    scanning: &RegistryScanningConfiguration,
) -> RepositoryScanningConfiguration {
    let fits = |filter: &&ScanningRepositoryFilter| glob::matches(&filter.filter, &row.key.name);
    let rules = scanning.rules.as_deref().unwrap_or_default();
    let rule = rules.iter().find(|rule| rule.repository_filters.iter().any(|it| fits(&it)));
    let own = match row.settings.scan_on_push {
        true => ScanFrequency::ScanOnPush,
        false => ScanFrequency::Manual,
    };
    let frequency = rule.map_or(own, |rule| rule.scan_frequency);
    let filters =
        rule.map(|rule| rule.repository_filters.iter().filter(fits).cloned().collect::<Vec<_>>());
    RepositoryScanningConfiguration {
        repository_arn: Some(row.key.arn()),
        repository_name: Some(row.key.name.clone()),
        scan_on_push: Some(frequency == ScanFrequency::ScanOnPush),
        scan_frequency: Some(frequency),
        applied_scan_filters: Some(filters.unwrap_or_default()),
    }
}
