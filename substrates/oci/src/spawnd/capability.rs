//! Capabilities by name, and which a container has.

use std::sync::OnceLock;

use haar_substrate::Capability;

use crate::proto::Failure;

/// What functions have when root: Docker's without those that reach past a sandbox (raw
/// sockets, device nodes, the audit log).
pub(super) const FUNCTION: u64 = bits(&[0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31]);
/// What containers have where nothing else is said: Docker's fourteen.
const USUAL: u64 = FUNCTION | bits(&[13, 27, 29]);
/// Bit of the capability that opens mounts and namespaces.
pub(super) const SYS_ADMIN: u64 = bits(&[21]);

/// Bit of the capability that makes device nodes.
const MKNOD: u64 = bits(&[27]);

/// By number.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

const fn bits(numbers: &[u32]) -> u64 {
    let (mut all, mut at) = (0, 0);
    while at < numbers.len() {
        all |= 1 << numbers[at];
        at += 1;
    }
    all
}

/// The usual capabilities with some more and some less.
pub(super) fn of_container(add: &[Capability], drop: &[Capability]) -> Result<u64, Failure> {
    let mut kept = USUAL;
    for capability in drop {
        kept &= !find(capability)?;
    }
    for capability in add {
        kept |= find(capability)?;
    }
    // none can be given that the helper lacks
    Ok(kept & own())
}

/// What lets a container change its network beyond its own sockets.
pub(super) const OVER_NETWORK: u64 = bits(&[12, 21]);

/// Without what must not be had where no control group says which devices may be used.
pub(super) fn without_devices(capabilities: u64) -> u64 {
    capabilities & !MKNOD
}

fn find(capability: &Capability) -> Result<u64, Failure> {
    let name = capability.0.to_ascii_uppercase();
    let name = name.strip_prefix("CAP_").unwrap_or(&name);
    if name == "ALL" {
        return Ok((1 << NAMES.len()) - 1);
    }
    let at = NAMES.iter().position(|known| *known == name);
    let refused = || Failure::Refused {
        program: capability.0.clone(),
        reason: "unknown capability".to_owned(),
    };
    at.map(|at| 1 << at).ok_or_else(refused)
}

/// The helper's own bounding set, which never changes.
fn own() -> u64 {
    static OWN: OnceLock<u64> = OnceLock::new();
    *OWN.get_or_init(read_own)
}

fn read_own() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> Vec<Capability> {
        names.iter().map(|name| Capability((*name).to_owned())).collect()
    }

    #[test]
    fn capabilities_are_added_after_all_that_goes() {
        let none = of_container(&[], &set(&["ALL"])).unwrap();
        assert_eq!(none, 0);
        let one = of_container(&set(&["NET_RAW"]), &set(&["ALL"])).unwrap();
        assert_eq!(one, 1 << 13);
        let less = of_container(&[], &set(&["CAP_CHOWN", "kill"])).unwrap();
        assert_eq!(less, USUAL & !0b10_0001 & own());
        assert!(of_container(&set(&["FLY"]), &[]).is_err());
        let all = of_container(&set(&["ALL"]), &[]).unwrap();
        let less = of_container(&set(&["ALL"]), &set(&["MKNOD"])).unwrap();
        assert_eq!((less, without_devices(all)), (all, all & !(1 << 27)));
    }
}
