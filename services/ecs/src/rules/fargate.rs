//! What Fargate runs. *Developer Guide > Task definition differences for Fargate*.

use haar_ecs_contract::model::{
    ContainerDefinition, LogDriver, NetworkMode, PidMode, TaskDefinition, Volume,
};

/// Scratch disk of a task that does not ask for more, in GiB.
pub(crate) const EPHEMERAL_GIB: u32 = 20;

/// CPU units and the least, greatest and next MiB of memory that go with them.
const SIZES: &[(u32, u32, u32, u32)] = &[
    (512, 1_024, 4_096, 1_024),
    (1_024, 2_048, 8_192, 1_024),
    (2_048, 4_096, 16_384, 1_024),
    (4_096, 8_192, 30_720, 1_024),
    (8_192, 16_384, 61_440, 4_096),
    (16_384, 32_768, 122_880, 8_192),
];

/// Whether a task may have this size.
pub(crate) fn is_size(cpu: u32, memory_mib: u32) -> bool {
    if cpu == 256 {
        return [512, 1_024, 2_048].contains(&memory_mib);
    }
    let size = SIZES.iter().find(|size| size.0 == cpu);
    size.is_some_and(|(_, least, most, step)| {
        (*least..=*most).contains(&memory_mib) && memory_mib.is_multiple_of(*step)
    })
}

/// Reads `256`, `.25 vCPU`, `1 vcpu` as CPU units.
pub(crate) fn cpu_units(text: &str) -> Option<u32> {
    sized(text, "vcpu")
}

/// Reads `512`, `1GB`, `0.5 gb` as MiB.
pub(crate) fn memory_mib(text: &str) -> Option<u32> {
    sized(text, "gb")
}

/// A number of parts, or with its unit of 1,024 parts each.
fn sized(text: &str, unit: &str) -> Option<u32> {
    let lower = text.trim().to_ascii_lowercase();
    let Some(number) = lower.strip_suffix(unit) else { return lower.parse().ok() };
    let parts = number.trim().parse::<f64>().ok()? * 1024.0;
    (1.0..1e9).contains(&parts).then_some(parts as u32)
}

/// Why Fargate does not run a definition.
pub(crate) fn check(definition: &TaskDefinition) -> Result<(), String> {
    if definition.network_mode != Some(NetworkMode::Awsvpc) {
        return Err("Fargate only supports network mode ‘awsvpc’.".to_owned());
    }
    let level =
        |name: &str| format!("Fargate requires that '{name}' be defined at the task level.");
    let cpu = definition.cpu.as_deref().ok_or_else(|| level("cpu"))?;
    let memory = definition.memory.as_deref().ok_or_else(|| level("memory"))?;
    if !is_size(cpu.parse().unwrap_or(0), memory.parse().unwrap_or(0)) {
        return Err(format!(
            "No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. See \
             the Amazon ECS documentation for the valid values."
        ));
    }
    let storage = definition.ephemeral_storage.as_ref();
    if storage.is_some_and(|storage| !(21..=200).contains(&storage.size_in_gi_b)) {
        return Err("Ephemeral storage size must be between 21 and 200 GiB.".to_owned());
    }
    no(definition.ipc_mode.is_some(), "ipcMode")?;
    no(definition.pid_mode == Some(PidMode::Host), "pidMode=host")?;
    no(some(&definition.placement_constraints), "placementConstraints")?;
    no(some(&definition.inference_accelerators), "inferenceAccelerators")?;
    definition.volumes.iter().flatten().try_for_each(check_volume)?;
    definition.container_definitions.iter().flatten().try_for_each(check_container)
}

fn check_volume(volume: &Volume) -> Result<(), String> {
    no(volume.host.as_ref().is_some_and(|host| host.source_path.is_some()), "sourcePath")?;
    no(volume.docker_volume_configuration.is_some(), "dockerVolumeConfiguration")?;
    no(volume.fsx_windows_file_server_volume_configuration.is_some(), "FSx volumes")
}

fn check_container(container: &ContainerDefinition) -> Result<(), String> {
    no(container.privileged == Some(true), "privileged")?;
    no(container.disable_networking == Some(true), "disableNetworking")?;
    no(some(&container.links), "links")?;
    no(container.hostname.is_some(), "hostname")?;
    no(some(&container.dns_servers), "dnsServers")?;
    no(some(&container.dns_search_domains), "dnsSearchDomains")?;
    no(some(&container.extra_hosts), "extraHosts")?;
    no(some(&container.docker_security_options), "dockerSecurityOptions")?;
    no(some(&container.resource_requirements), "resourceRequirements")?;
    if let Some(linux) = &container.linux_parameters {
        no(some(&linux.devices), "devices")?;
        no(linux.shared_memory_size.is_some(), "sharedMemorySize")?;
        no(linux.max_swap.is_some() || linux.swappiness.is_some(), "swap")?;
        let mut added = linux.capabilities.iter().flat_map(|all| all.add.iter().flatten());
        no(added.any(|name| name != "SYS_PTRACE"), "adding capabilities but SYS_PTRACE")?;
    }
    if let Some(log) = &container.log_configuration {
        let supported = [LogDriver::Awslogs, LogDriver::Splunk, LogDriver::Awsfirelens];
        no(!supported.contains(&log.log_driver), &format!("log driver {}", log.log_driver))?;
    }
    Ok(())
}

fn some<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_some_and(|list| !list.is_empty())
}

fn no(asked: bool, what: &str) -> Result<(), String> {
    if asked {
        return Err(format!("Fargate compatible task definitions do not support {what}"));
    }
    Ok(())
}

/// Options of memory file systems that they have or that make no difference to them.
const TMPFS_OPTIONS: [&str; 8] =
    ["defaults", "rw", "nosuid", "nodev", "exec", "async", "relatime", "atime"];

/// What Fargate runs and this host does not. *Ours*: refused, where it would be kept without effect.
/// `cpuArchitecture` is not among it: as for functions, either runs as the host's own, billed as asked.
pub(crate) fn check_here(definition: &TaskDefinition) -> Result<(), String> {
    not_here(definition.pid_mode.is_some(), "pidMode")?;
    not_here(definition.proxy_configuration.is_some(), "proxyConfiguration")?;
    not_here(definition.enable_fault_injection == Some(true), "enableFaultInjection")?;
    if let Some(platform) = &definition.runtime_platform {
        let family = platform.operating_system_family.map(|family| family.as_str());
        let family = family.filter(|family| *family != "LINUX");
        not_here(
            family.is_some(),
            &format!("operatingSystemFamily {}", family.unwrap_or_default()),
        )?;
    }
    for volume in definition.volumes.iter().flatten() {
        not_here(volume.configured_at_launch == Some(true), "configuredAtLaunch")?;
        not_here(volume.s3files_volume_configuration.is_some(), "s3filesVolumeConfiguration")?;
    }
    for container in definition.container_definitions.iter().flatten() {
        not_here(some(&container.credential_specs), "credentialSpecs")?;
        let log = container.log_configuration.as_ref();
        not_here(log.is_some_and(|log| some(&log.secret_options)), "secretOptions")?;
        let linux = container.linux_parameters.iter();
        for tmpfs in linux.flat_map(|linux| linux.tmpfs.iter().flatten()) {
            let mut options = tmpfs.mount_options.iter().flatten();
            let other = options.find(|option| !TMPFS_OPTIONS.contains(&option.as_str()));
            let named = other.map(String::as_str).unwrap_or_default();
            not_here(other.is_some(), &format!("mount option '{named}' of tmpfs"))?;
        }
    }
    Ok(())
}

fn not_here(asked: bool, what: &str) -> Result<(), String> {
    match asked {
        true => Err(format!("{what} is not supported by haar.")),
        false => Ok(()),
    }
}

/// *Developer Guide > Using the awslogs log driver*: on Fargate streams need a prefix.
pub(crate) fn check_logs(definition: &TaskDefinition) -> Result<(), String> {
    for container in definition.container_definitions.iter().flatten() {
        let Some(log) = &container.log_configuration else { continue };
        let prefix = log.options.as_ref().and_then(|all| all.get("awslogs-stream-prefix"));
        if log.log_driver == LogDriver::Awslogs && prefix.is_none_or(String::is_empty) {
            let name = "awslogs-stream-prefix";
            return Err(format!("Log driver awslogs option '{name}' should not be null or empty."));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_table() {
        for (cpu, memory) in [(256, 512), (256, 2048), (512, 4096), (1024, 8192), (4096, 30720)] {
            assert!(is_size(cpu, memory), "{cpu}/{memory}");
        }
        for (cpu, memory) in [(256, 4096), (256, 1536), (512, 512), (1024, 2500), (300, 512)] {
            assert!(!is_size(cpu, memory), "{cpu}/{memory}");
        }
        assert!(is_size(8192, 20_480) && !is_size(8192, 18_432));
        assert!(is_size(16_384, 40_960) && !is_size(16_384, 36_864));
    }

    #[test]
    fn sizes_may_be_said_in_vcpu_and_gb() {
        assert_eq!(cpu_units(".25 vCPU"), Some(256));
        assert_eq!(cpu_units("1vcpu"), Some(1024));
        assert_eq!(cpu_units("512"), Some(512));
        assert_eq!(memory_mib("0.5GB"), Some(512));
        assert_eq!(memory_mib("3 gb"), Some(3072));
        assert_eq!((cpu_units("much"), memory_mib("NaN GB")), (None, None));
    }
}
