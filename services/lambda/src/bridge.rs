//! From rows to what the fleet must know.

use std::time::Duration;

use haar_ledger::Snapshot;
use haar_types::{AccountId, Region};

use crate::Lambda;
use crate::fleet::{
    Architecture, ConcurrencyLimits, FunctionTarget, ImageTarget, LogFormat, Logging, SystemLevel,
};
use crate::images::image_request;
use crate::rules::concurrency::ACCOUNT_CONCURRENCY;
use crate::state::{FunctionRow, Logging as LoggingRow, ProvisionedRow, VersionRow};

impl Lambda {
    /// What the fleet must know to run a version.
    pub fn target(&self, version: &VersionRow) -> FunctionTarget {
        let settings = &version.settings;
        let (running, build_id) = version.running();
        FunctionTarget {
            account: version.function.account.clone(),
            region: version.function.region.clone(),
            function_name: version.function.name.clone(),
            version: version.version.to_string(),
            revision: build_id.to_owned(),
            runtime: settings.runtime.clone().unwrap_or_default(),
            handler: settings.handler.clone().unwrap_or_default(),
            memory: settings.memory,
            timeout: Duration::from_secs(u64::from(settings.timeout_s)),
            ephemeral_storage: settings.ephemeral_storage,
            environment: settings.environment.clone().unwrap_or_default(),
            code: match &running.folder {
                Some(folder) => folder.clone(),
                None => self.unpacked(&running.sha256),
            },
            is_folder: running.folder.is_some(),
            image: image_request(version, running).map(|request| ImageTarget {
                digest: running.digest,
                request,
                settings: settings.image.clone().unwrap_or_default(),
            }),
            layers: settings.layers.iter().map(|layer| self.unpacked(&layer.sha256)).collect(),
            architecture: match settings.architecture.as_str() {
                "arm64" => Architecture::Arm,
                _ => Architecture::X86,
            },
            role_arn: settings.role.clone(),
            logging: logging(&settings.logging),
        }
    }

    /// How much of a function may run at once.
    pub fn limits(&self, snapshot: &Snapshot, function: &FunctionRow) -> ConcurrencyLimits {
        let (account, region) = (&function.key.account, &function.key.region);
        let reserved = FunctionRow::reserved_by_all(snapshot, account, region);
        let promised = reserved + ProvisionedRow::unreserved_by_all(snapshot, account, region);
        ConcurrencyLimits {
            reserved: function.reserved_concurrency,
            unreserved: self.account_concurrency(account, region).saturating_sub(promised),
        }
    }

    /// How much an account may run at once in a region.
    pub(crate) fn account_concurrency(&self, account: &AccountId, region: &Region) -> u32 {
        let limit = self.doors.settings.quotas.limit(&ACCOUNT_CONCURRENCY, account, region);
        u32::try_from(limit).unwrap_or(u32::MAX)
    }
}

fn logging(row: &LoggingRow) -> Logging {
    Logging {
        format: if row.format == "JSON" { LogFormat::Json } else { LogFormat::Text },
        application_level: row.application_level.clone(),
        system_level: match row.system_level.as_deref() {
            Some("DEBUG") => SystemLevel::Debug,
            Some("WARN") => SystemLevel::Warn,
            _ => SystemLevel::Info,
        },
        group: row.group.clone(),
    }
}
