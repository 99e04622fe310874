//! A function's settings: of a new one, and changed.

use std::collections::BTreeSet;

use haar_ec2_contract::peek::{Ec2Peek, Place};
use haar_kernel::{Answer, Call, Command};
use haar_lambda_contract::model as wire;
use haar_lambda_contract::model::{CreateFunction, UpdateFunctionConfiguration};
use haar_ledger::{Snapshot, Tx};
use haar_types::MemoryMib;

use super::Input;
use crate::lookup::{check_revision, check_settled, find_unqualified, find_version};
use crate::render;
use crate::rules::names::layer_version_key;
use crate::rules::settings::{
    self, EPHEMERAL_STORAGE_DEFAULT, MEMORY_DEFAULT, TIMEOUT_S_DEFAULT, complete_logging,
    default_logging,
};
use crate::state::{
    FileSystem, FunctionKey, FunctionSettings, ImageSettings, LayerUse, LayerVersionRow, Logging,
    UpdateStatus, VersionKey, VersionRow, Vpc,
};
use crate::{Lambda, Refusal};

/// The settings that `CreateFunction` and `UpdateFunctionConfiguration` share. `None` leaves
/// what is there.
#[derive(Default)]
struct Changes {
    runtime: Option<String>,
    handler: Option<String>,
    role: Option<String>,
    timeout: Option<i32>,
    memory_size: Option<i32>,
    environment: Option<wire::Environment>,
    ephemeral_storage: Option<wire::EphemeralStorage>,
    layers: Option<Vec<String>>,
    vpc: Option<wire::VpcConfig>,
    dead_letter: Option<wire::DeadLetterConfig>,
    kms_key_arn: Option<String>,
    tracing: Option<wire::TracingConfig>,
    file_systems: Option<Vec<wire::FileSystemConfig>>,
    image: Option<wire::ImageConfig>,
    snap_start: Option<wire::SnapStart>,
    logging: Option<wire::LoggingConfig>,
}

/// The settings of a function that is being created.
///
/// # Errors
/// When a layer is not there.
pub(super) fn new_settings(
    room: &Lambda,
    snapshot: &Snapshot,
    key: &FunctionKey,
    input: &Input<CreateFunction>,
) -> Result<FunctionSettings, Refusal> {
    let package_type = input.package_type.map_or("Zip", |kind| kind.as_str());
    let architecture = input.architectures.as_deref().and_then(<[_]>::first);
    let mut settings = FunctionSettings {
        runtime: None,
        handler: None,
        role: input.role.clone(),
        timeout_s: TIMEOUT_S_DEFAULT,
        memory: MEMORY_DEFAULT,
        environment: None,
        package_type: package_type.to_owned(),
        architecture: architecture.map_or("x86_64", |one| one.as_str()).to_owned(),
        ephemeral_storage: EPHEMERAL_STORAGE_DEFAULT,
        layers: Vec::new(),
        vpc: None,
        dead_letter_arn: None,
        kms_key_arn: None,
        tracing: "PassThrough".to_owned(),
        file_systems: Vec::new(),
        image: None,
        snap_start: "None".to_owned(),
        logging: default_logging(key),
    };
    let changes = Changes {
        runtime: input.runtime.clone(),
        handler: input.handler.clone(),
        role: None,
        timeout: input.timeout,
        memory_size: input.memory_size,
        environment: input.environment.clone(),
        ephemeral_storage: input.ephemeral_storage.clone(),
        layers: input.layers.clone(),
        vpc: input.vpc_config.clone(),
        dead_letter: input.dead_letter_config.clone(),
        kms_key_arn: input.kms_key_arn.clone(),
        tracing: input.tracing_config.clone(),
        file_systems: input.file_system_configs.clone(),
        image: input.image_config.clone(),
        snap_start: input.snap_start.clone(),
        logging: input.logging_config.clone(),
    };
    changes.apply(room, snapshot, key, &mut settings)?;
    Ok(settings)
}

/// AWS docs: *Lambda API Reference > UpdateFunctionConfiguration*.
impl Command<UpdateFunctionConfiguration> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<UpdateFunctionConfiguration>,
    ) -> Answer<UpdateFunctionConfiguration> {
        if input.capacity_provider_config.is_some() || input.durable_config.is_some() {
            let text = "CapacityProviderConfig and DurableConfig are not implemented by haar";
            return Err(Refusal::invalid(text).into());
        }
        let function = find_unqualified(tx, &call.account, &call.region, &input.function_name)?;
        let latest = find_version(tx, &VersionKey::latest(&function.key))?;
        let verbs = "GetFunction/GetAlias";
        check_revision(input.revision_id.as_deref(), &latest.revision_id, verbs)?;
        check_settled(&latest)?;
        let mut row = VersionRow::clone(&latest);
        if let Some(description) = input.description.clone() {
            row.description = description;
        }
        let (role, names_dead_letters) = (input.role.clone(), input.dead_letter_config.is_some());
        changes_of(input).apply(self, tx, &function.key, &mut row.settings)?;
        settings::check(&row.settings)?;
        settings::check_unzipped(row.code.unzipped_size, &row.settings)?;
        if let Some(role) = &role {
            self.check_role(call, tx, role, &function.key)?;
        }
        if let Some(target) = row.settings.dead_letter_arn.as_deref()
            && (role.is_some() || names_dead_letters)
        {
            self.check_dead_letters(&function.key, &row.settings.role, target)?;
        }
        row.last_update = Some(UpdateStatus::InProgress);
        row.revision_id = call.ids.uuid();
        row.build_id = call.ids.uuid();
        row.last_modified_at = call.now;
        tx.put(row.clone());
        Ok(render::function_configuration(&row, function.key.arn()))
    }
}

fn changes_of(input: Input<UpdateFunctionConfiguration>) -> Changes {
    Changes {
        runtime: input.runtime,
        handler: input.handler,
        role: input.role,
        timeout: input.timeout,
        memory_size: input.memory_size,
        environment: input.environment,
        ephemeral_storage: input.ephemeral_storage,
        layers: input.layers,
        vpc: input.vpc_config,
        dead_letter: input.dead_letter_config,
        kms_key_arn: input.kms_key_arn,
        tracing: input.tracing_config,
        file_systems: input.file_system_configs,
        image: input.image_config,
        snap_start: input.snap_start,
        logging: input.logging_config,
    }
}

impl Changes {
    fn apply(
        self,
        room: &Lambda,
        snapshot: &Snapshot,
        key: &FunctionKey,
        to: &mut FunctionSettings,
    ) -> Result<(), Refusal> {
        to.runtime = self.runtime.or(to.runtime.take());
        to.handler = self.handler.or(to.handler.take());
        set(&mut to.role, self.role);
        set(&mut to.timeout_s, self.timeout.map(i32::unsigned_abs));
        set(&mut to.memory, self.memory_size.map(mebibytes));
        set(&mut to.ephemeral_storage, self.ephemeral_storage.map(|one| mebibytes(one.size)));
        set(&mut to.tracing, self.tracing.and_then(|one| one.mode).map(|mode| mode.to_string()));
        let snap_start = self.snap_start.and_then(|one| one.apply_on);
        set(&mut to.snap_start, snap_start.map(|on| on.to_string()));
        if let Some(environment) = self.environment {
            to.environment = Some(environment.variables.unwrap_or_default());
        }
        if let Some(vpc) = self.vpc {
            to.vpc = Some(room.vpc_of(snapshot, key, vpc)?);
        }
        if let Some(target) = self.dead_letter {
            to.dead_letter_arn = target.target_arn.filter(|arn| !arn.is_empty());
        }
        if let Some(kms_key_arn) = self.kms_key_arn {
            to.kms_key_arn = Some(kms_key_arn).filter(|arn| !arn.is_empty());
        }
        if let Some(file_systems) = self.file_systems {
            to.file_systems = file_systems.into_iter().map(file_system_of).collect();
        }
        if let Some(image) = self.image {
            to.image = Some(image_of(image)).filter(|image| *image != ImageSettings::default());
        }
        if let Some(logging) = self.logging {
            to.logging = logging_of(logging, to.logging.clone());
        }
        if let Some(layers) = self.layers {
            let found = layers.iter().map(|arn| room.find_layer(snapshot, key, arn));
            to.layers = found.collect::<Result<_, _>>()?;
        }
        Ok(())
    }
}

fn set<T>(to: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *to = value;
    }
}

fn mebibytes(size: i32) -> MemoryMib {
    MemoryMib(u64::from(size.unsigned_abs()))
}

fn file_system_of(one: wire::FileSystemConfig) -> FileSystem {
    FileSystem { arn: one.arn, local_mount_path: one.local_mount_path }
}

fn image_of(image: wire::ImageConfig) -> ImageSettings {
    ImageSettings {
        entry_point: image.entry_point,
        command: image.command,
        working_directory: image.working_directory,
    }
}

/// A group or format that is not named stays; levels belong to the format that is named.
fn logging_of(given: wire::LoggingConfig, present: Logging) -> Logging {
    let format = given.log_format.map(|format| format.to_string());
    let keeps_format = format.as_ref().is_none_or(|format| *format == present.format);
    let kept = |level: Option<String>| level.filter(|_| keeps_format);
    let application_level = given.application_log_level.map(|level| level.to_string());
    let system_level = given.system_log_level.map(|level| level.to_string());
    complete_logging(Logging {
        format: format.unwrap_or(present.format),
        application_level: application_level.or(kept(present.application_level)),
        system_level: system_level.or(kept(present.system_level)),
        group: given.log_group.filter(|group| !group.is_empty()).unwrap_or(present.group),
    })
}

impl Lambda {
    /// Finds the VPC of the subnets and groups that a function is to be in.
    ///
    /// # Errors
    /// When one is not there, only one kind is given, or they are of several VPCs.
    fn vpc_of(
        &self,
        snapshot: &Snapshot,
        key: &FunctionKey,
        vpc: wire::VpcConfig,
    ) -> Result<Vpc, Refusal> {
        let mut found = Vpc {
            subnet_ids: vpc.subnet_ids.unwrap_or_default(),
            security_group_ids: vpc.security_group_ids.unwrap_or_default(),
            ipv6_allowed: vpc.ipv6_allowed_for_dual_stack.unwrap_or_default(),
            vpc_id: String::new(),
        };
        if found.subnet_ids.is_empty() != found.security_group_ids.is_empty() {
            return Err(Refusal::invalid(
                "SubnetIds and SecurityIds must coexist or be both empty list.",
            ));
        }
        let Some(ec2) = self.doors.peeks.get::<dyn Ec2Peek>() else { return Ok(found) };
        let place = Place::new(&key.account, &key.region);
        let mut vpc_ids = BTreeSet::new();
        for id in &found.subnet_ids {
            let subnet = ec2.subnet(snapshot, &place, id).ok_or_else(|| {
                Refusal::invalid(format!(
                    "Error occurred while DescribeSubnets. EC2 Error Code: \
                     InvalidSubnetID.NotFound. EC2 Error Message: The subnet ID '{id}' does not \
                     exist"
                ))
            })?;
            vpc_ids.insert(subnet.vpc_id);
        }
        for id in &found.security_group_ids {
            let group = ec2.security_group(snapshot, &place, id).ok_or_else(|| {
                Refusal::invalid(format!(
                    "Error occurred while DescribeSecurityGroups. EC2 Error Code: \
                     InvalidGroup.NotFound. EC2 Error Message: The security group '{id}' does not \
                     exist"
                ))
            })?;
            vpc_ids.insert(group.vpc_id);
        }
        if vpc_ids.len() > 1 {
            return Err(Refusal::invalid(
                "Security Groups are required to be in the same VPC as the subnets.",
            ));
        }
        found.vpc_id = vpc_ids.pop_first().unwrap_or_default();
        Ok(found)
    }

    /// Finds a layer version that a function wants to use.
    ///
    /// # Errors
    /// When it is no layer version's ARN, or nothing is there.
    fn find_layer(
        &self,
        snapshot: &Snapshot,
        function: &FunctionKey,
        arn: &str,
    ) -> Result<LayerUse, Refusal> {
        let key = layer_version_key(arn);
        let key = key.filter(|key| key.layer.region == function.region);
        let row = key.and_then(|key| snapshot.get::<LayerVersionRow>(&key));
        let row =
            row.ok_or_else(|| Refusal::invalid(format!("Layer version {arn} does not exist.")))?;
        self.check_layer_use(function, &row)?;
        Ok(LayerUse {
            arn: arn.to_owned(),
            code_size: row.code.size,
            unzipped_size: row.code.unzipped_size,
            sha256: row.code.sha256.clone(),
            digest: row.code.digest,
        })
    }
}
