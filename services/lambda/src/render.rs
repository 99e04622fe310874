//! Rows to wire shapes.

use haar_lambda_contract::model::{
    AliasConfiguration, AliasRoutingConfiguration, Cors as CorsShape, DeadLetterConfig,
    DestinationConfig, EnvironmentResponse, EphemeralStorage, EventSourceMappingConfiguration,
    FileSystemConfig, FunctionConfiguration, FunctionEventInvokeConfig, FunctionUrlConfig,
    ImageConfig, ImageConfigResponse, Layer, LayerVersionsListItem, LoggingConfig, OnFailure,
    OnSuccess, RuntimeVersionConfig, SnapStartResponse, TracingConfigResponse, VpcConfigResponse,
};
use haar_types::{Arn, Timestamp};

use crate::rules::settings::runtime_version_arn;
use crate::state::{
    AliasRow, Cors, EventInvokeRow, EventSourceMappingRow, FunctionSettings, FunctionState,
    ImageSettings, LayerVersionRow, Logging, Reason, UpdateStatus, UrlRow, VersionRow, Vpc,
};

/// `2026-11-23T20:00:00.000+0000`, as Lambda writes times in texts.
pub(crate) fn long_time(at: Timestamp) -> String {
    at.iso_millis().replace('Z', "+0000")
}

/// `2026-11-23T20:00:00.000000Z`, as Lambda writes the times of URLs.
pub(crate) fn url_time(at: Timestamp) -> String {
    at.iso_millis().replace('Z', "000Z")
}

/// A text of a row as the model's enum; rows hold the model's texts only.
fn known<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// A version under the ARN that its caller should see.
pub(crate) fn function_configuration(row: &VersionRow, arn: Arn) -> FunctionConfiguration {
    let settings = &row.settings;
    let mut shape = FunctionConfiguration {
        function_name: Some(row.function.name.clone()),
        function_arn: Some(arn.into()),
        version: Some(row.version.to_string()),
        description: Some(row.description.clone()),
        code_size: Some(size(row.code.size)),
        code_sha256: Some(row.code.sha256.clone()),
        last_modified: Some(long_time(row.last_modified_at)),
        revision_id: Some(row.revision_id.clone()),
        ..FunctionConfiguration::default()
    };
    show_settings(&mut shape, settings);
    show_states(&mut shape, row);
    shape.snap_start = Some(SnapStartResponse {
        apply_on: known(&settings.snap_start),
        optimization_status: known("Off"), // no snapshot is ever taken
    });
    shape.runtime_version_config = settings.runtime.as_ref().map(|runtime| RuntimeVersionConfig {
        runtime_version_arn: Some(runtime_version_arn(row.function.region.as_str(), runtime)),
        error: None,
    });
    shape
}

fn show_settings(shape: &mut FunctionConfiguration, settings: &FunctionSettings) {
    shape.runtime = settings.runtime.as_deref().and_then(known);
    shape.role = Some(settings.role.clone());
    shape.handler = settings.handler.clone();
    shape.timeout = Some(settings.timeout_s as i32);
    shape.memory_size = Some(settings.memory.0 as i32);
    shape.package_type = known(&settings.package_type);
    shape.architectures = known(&settings.architecture).map(|one| vec![one]);
    shape.ephemeral_storage = Some(EphemeralStorage { size: settings.ephemeral_storage.0 as i32 });
    shape.tracing_config = Some(TracingConfigResponse { mode: known(&settings.tracing) });
    shape.kms_key_arn = settings.kms_key_arn.clone();
    shape.vpc_config = settings.vpc.as_ref().map(vpc);
    shape.environment = settings
        .environment
        .as_ref()
        .map(|variables| EnvironmentResponse { variables: Some(variables.clone()), error: None });
    shape.dead_letter_config = settings
        .dead_letter_arn
        .clone()
        .map(|target| DeadLetterConfig { target_arn: Some(target) });
    shape.layers = some_list(settings.layers.iter().map(|layer| Layer {
        arn: Some(layer.arn.clone()),
        code_size: Some(size(layer.code_size)),
        ..Layer::default()
    }));
    shape.file_system_configs = some_list(settings.file_systems.iter().map(|one| {
        FileSystemConfig { arn: one.arn.clone(), local_mount_path: one.local_mount_path.clone() }
    }));
    shape.image_config_response = settings
        .image
        .as_ref()
        .map(|image| ImageConfigResponse { image_config: Some(image_config(image)), error: None });
    shape.logging_config = Some(logging(&settings.logging));
}

fn show_states(shape: &mut FunctionConfiguration, row: &VersionRow) {
    match &row.state {
        FunctionState::Pending => {
            shape.state = known("Pending");
            shape.state_reason = Some("The function is being created.".to_owned());
            shape.state_reason_code = known("Creating");
        }
        FunctionState::Active => shape.state = known("Active"),
        FunctionState::Failed(Reason { code, text }) => {
            shape.state = known("Failed");
            shape.state_reason = Some(text.clone());
            shape.state_reason_code = known(code);
        }
    }
    match &row.last_update {
        None => {}
        Some(UpdateStatus::Successful) => shape.last_update_status = known("Successful"),
        Some(UpdateStatus::InProgress) => {
            shape.last_update_status = known("InProgress");
            shape.last_update_status_reason = Some("The function is being created.".to_owned());
            shape.last_update_status_reason_code = known("Creating");
        }
        Some(UpdateStatus::Failed(Reason { code, text })) => {
            shape.last_update_status = known("Failed");
            shape.last_update_status_reason = Some(text.clone());
            shape.last_update_status_reason_code = known(code);
        }
    }
}

fn vpc(vpc: &Vpc) -> VpcConfigResponse {
    VpcConfigResponse {
        subnet_ids: Some(vpc.subnet_ids.clone()),
        security_group_ids: Some(vpc.security_group_ids.clone()),
        vpc_id: Some(vpc.vpc_id.clone()),
        ipv6_allowed_for_dual_stack: Some(vpc.ipv6_allowed),
    }
}

fn image_config(image: &ImageSettings) -> ImageConfig {
    ImageConfig {
        entry_point: image.entry_point.clone(),
        command: image.command.clone(),
        working_directory: image.working_directory.clone(),
    }
}

fn logging(logging: &Logging) -> LoggingConfig {
    LoggingConfig {
        log_format: known(&logging.format),
        application_log_level: logging.application_level.as_deref().and_then(known),
        system_log_level: logging.system_level.as_deref().and_then(known),
        log_group: Some(logging.group.clone()),
    }
}

/// An alias.
pub(crate) fn alias(row: &AliasRow) -> AliasConfiguration {
    let weights = row.weights.iter().map(|(version, weight)| (version.to_string(), *weight));
    AliasConfiguration {
        alias_arn: Some(row.function.qualified_arn(Some(&row.name)).into()),
        name: Some(row.name.clone()),
        function_version: Some(row.version.to_string()),
        description: Some(row.description.clone()),
        routing_config: (!row.weights.is_empty()).then(|| AliasRoutingConfiguration {
            additional_version_weights: Some(weights.collect()),
        }),
        revision_id: Some(row.revision_id.clone()),
    }
}

/// A function URL, on the port that `endpoint` names.
pub(crate) fn function_url(row: &UrlRow, endpoint: &str) -> String {
    let port = endpoint.rsplit_once(':').map(|(_, port)| port.trim_end_matches('/'));
    let port = port.filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let (url_id, region) = (&row.url_id, &row.key.function.region);
    format!("http://{url_id}.lambda-url.{region}.localhost{port}/")
}

/// A function URL's settings.
pub(crate) fn url_config(row: &UrlRow, endpoint: &str) -> FunctionUrlConfig {
    FunctionUrlConfig {
        function_url: function_url(row, endpoint),
        function_arn: row.key.arn().into(),
        creation_time: url_time(row.created_at),
        last_modified_time: url_time(row.last_modified_at),
        cors: row.cors.as_ref().map(cors),
        auth_type: row.auth_type.parse().unwrap_or_default(),
        invoke_mode: known(&row.invoke_mode),
    }
}

/// `Cors` of a row.
pub(crate) fn cors(cors: &Cors) -> CorsShape {
    CorsShape {
        allow_credentials: cors.allow_credentials,
        allow_headers: cors.allow_headers.clone(),
        allow_methods: cors.allow_methods.clone(),
        allow_origins: cors.allow_origins.clone(),
        expose_headers: cors.expose_headers.clone(),
        max_age: cors.max_age_s,
    }
}

/// How asynchronous invocations end.
pub(crate) fn event_invoke_config(row: &EventInvokeRow) -> FunctionEventInvokeConfig {
    FunctionEventInvokeConfig {
        last_modified: Some(row.last_modified_at),
        function_arn: Some(row.key.arn().into()),
        maximum_retry_attempts: row.maximum_retry_attempts.map(|count| count as i32),
        maximum_event_age_in_seconds: row.maximum_event_age_s.map(|age| age as i32),
        destination_config: Some(DestinationConfig {
            on_success: Some(OnSuccess { destination: row.on_success.clone() }),
            on_failure: Some(OnFailure { destination: row.on_failure.clone() }),
        }),
    }
}

/// A layer version in a listing.
pub(crate) fn layer_version(row: &LayerVersionRow) -> LayerVersionsListItem {
    LayerVersionsListItem {
        layer_version_arn: Some(row.key.arn().into()),
        version: Some(size(row.key.version)),
        description: Some(row.description.clone()),
        created_date: Some(long_time(row.created_at)),
        compatible_runtimes: row.runtimes.as_deref().map(known_list),
        license_info: row.license_info.clone(),
        compatible_architectures: row.architectures.as_deref().map(known_list),
    }
}

/// Texts of a row as the model's enums.
pub(crate) fn known_list<T: std::str::FromStr>(texts: &[String]) -> Vec<T> {
    texts.iter().filter_map(|text| known(text)).collect()
}

/// A size as the wire has it.
pub(crate) fn size(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn some_list<T>(items: impl Iterator<Item = T>) -> Option<Vec<T>> {
    let items: Vec<T> = items.collect();
    (!items.is_empty()).then_some(items)
}

/// A count as the wire has it.
pub(crate) fn count(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// An event source mapping.
pub(crate) fn event_source_mapping(row: &EventSourceMappingRow) -> EventSourceMappingConfiguration {
    EventSourceMappingConfiguration {
        uuid: Some(row.key.uuid.clone()),
        function_arn: Some(row.function.arn().into()),
        state: Some(row.state.as_str().to_owned()),
        last_modified: Some(row.last_modified_at),
        event_source_mapping_arn: Some(row.key.arn().into()),
        ..row.settings.clone()
    }
}
