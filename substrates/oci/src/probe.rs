//! What this host allows.

use std::path::Path;
use std::sync::OnceLock;

use haar_substrate::{Capabilities, Finding};
use rustix::mount::{FsOpenFlags, fsopen};

use crate::cgroup::Cgroups;
use crate::spawnd::{nft, owners};
use crate::sys;

/// Fewer open files than this are too few for many sandboxes.
const OPEN_FILES_GOOD: u64 = 8_192;

/// Findings without which nothing can run.
const ROOT: &str = "root";
const CAPABILITIES: &str = "capabilities";
const NAMESPACES: &str = "namespaces";
const KERNEL: &str = "kernel 5.12 or newer";
const BLOCKING: [&str; 4] = [ROOT, CAPABILITIES, NAMESPACES, KERNEL];

/// What root may usually do, and must to make sandboxes; a container's root often may not.
const NEEDED: [(&str, u32); 8] = [
    ("CHOWN", 0),
    ("DAC_OVERRIDE", 1),
    ("SETGID", 6),
    ("SETUID", 7),
    ("SETPCAP", 8),
    ("SYS_CHROOT", 18),
    ("SYS_ADMIN", 21),
    ("MKNOD", 27),
];
const NET_ADMIN: u32 = 12;

/// What sandboxes need for any network of their own, in words for whoever asks for one.
pub(crate) const NO_NETWORK: &str = "sandboxes can have no network, and functions and tasks none \
    but the host's: give haar the capability NET_ADMIN";

/// Looks at the host; starts nothing. What only root is told of is left out for others.
pub(crate) fn probe(cgroups: &Cgroups) -> Capabilities {
    let root = rustix::process::geteuid().is_root();
    let mut findings = vec![finding(
        ROOT,
        root,
        "sandboxes can be made",
        "functions and tasks need root: run haar with sudo, or in a privileged container",
    )];
    if root {
        let lacks = missing_capabilities();
        let told = "functions and tasks need root with all its capabilities: here it lacks";
        findings.push(finding(
            CAPABILITIES,
            lacks.is_empty(),
            "root may do what it takes to make sandboxes",
            &format!("{told} {} (in a container: --privileged)", lacks.join(", ")),
        ));
    }
    let namespaces = ["mnt", "pid", "net", "ipc", "uts", "cgroup"]
        .iter()
        .all(|name| Path::new("/proc/self/ns").join(name).exists());
    findings.push(finding(
        NAMESPACES,
        namespaces,
        "sandboxes are isolated from the host and each other",
        "the kernel lacks a namespace that sandboxes need",
    ));
    let pidfd = sys::own_pidfd().is_ok();
    findings.push(finding(
        KERNEL,
        pidfd && has_mount_setattr(),
        "sandboxes are started and watched through pidfds",
        "the kernel is too old: sandboxes need Linux 5.12",
    ));
    let usable = findings.iter().all(|finding| finding.present);
    findings.extend(file_systems());
    let (mut filters, mut hides) = (false, false);
    if root {
        findings.extend(controllers(cgroups));
        filters = nft::is_there();
        findings.extend(networks(filters));
        hides = crate::steer::is_possible();
        findings.push(finding(
            "sk_lookup",
            hides,
            "what answers inside sandboxes takes no port from their programs",
            "what answers inside sandboxes takes its port from their programs: that needs Linux \
             5.17 and the capability BPF",
        ));
    }
    findings.push(finding(
        "seccomp",
        Path::new("/proc/sys/kernel/seccomp/actions_avail").exists(),
        "system calls are filtered",
        "the kernel cannot filter system calls; sandboxes cannot be made",
    ));
    findings.push(finding(
        "user namespaces",
        owners::are_possible(),
        "containers can have users of their own",
        "containers cannot have users of their own (--user-namespaces): that needs Linux 6.3",
    ));
    let (_, files) = sys::open_files_limit();
    findings.push(finding(
        &format!("open files: {files}"),
        files >= OPEN_FILES_GOOD,
        "enough for many sandboxes at once",
        "raise the hard limit (ulimit -Hn) to run many sandboxes at once",
    ));
    Capabilities { findings, usable, hides_listeners: hides, filters_traffic: filters }
}

/// Why nothing can run, in words for whoever asks for it.
pub(crate) fn why_unusable(capabilities: &Capabilities) -> String {
    let missing = capabilities.findings.iter().filter(|finding| !finding.present);
    let blocking = missing.filter(|finding| BLOCKING.contains(&finding.name.as_str()));
    blocking.map(|finding| finding.note.as_str()).collect::<Vec<_>>().join("; ")
}

/// Those of root's that are not there.
fn missing_capabilities() -> Vec<&'static str> {
    let held = capabilities_held();
    let lacks = NEEDED.iter().filter(|(_, number)| held & (1 << number) == 0);
    lacks.map(|(name, _)| *name).collect()
}

fn finding(name: &str, present: bool, good: &str, bad: &str) -> Finding {
    let note = if present { good } else { bad };
    Finding { name: name.to_owned(), present, note: note.to_owned() }
}

fn controllers(cgroups: &Cgroups) -> Vec<Finding> {
    let version = if cgroups.unified { "cgroup v2" } else { "cgroup v1" };
    let quota = cgroups.unified
        || cgroups.cpu.as_ref().and_then(|at| at.parent()).is_some_and(|at| {
            at.join("cpu.cfs_quota_us").exists() || at.join("cpu.cfs_period_us").exists()
        });
    let devices =
        cgroups.devices.is_some() || cgroups.unified && crate::cgroup::are_ruled_by_programs();
    [
        ("memory", cgroups.memory.is_some(), "memory is limited", "memory is not limited"),
        ("cpu", cgroups.cpu.is_some(), "cpu is shared by weight", "cpu is not shared by weight"),
        ("cpu quota", quota, "cpu is capped", "cpu is shared by weight, not capped"),
        ("pids", cgroups.pids.is_some(), "processes are limited", "processes are not limited"),
        (
            "devices",
            devices,
            "containers use the usual devices only",
            "containers cannot have the capability MKNOD: nothing else would keep them from the \
             host's devices",
        ),
        (
            "freezer",
            cgroups.freezer.is_some(),
            "idle sandboxes stand still",
            "idle sandboxes go on running",
        ),
    ]
    .into_iter()
    .map(|(name, present, good, bad)| {
        let bad = match name {
            "cpu quota" | "devices" => bad.to_owned(), // these are no groups of their own
            _ => format!("{bad}: there is no such control group that haar can write to"),
        };
        finding(&format!("{version} {name}"), present, good, &bad)
    })
    .collect()
}

fn file_systems() -> Vec<Finding> {
    vec![
        finding(
            "overlay",
            has_file_system("overlay"),
            "several layers can be laid over each other",
            "several layers cannot be laid over each other; try: modprobe overlay",
        ),
        finding(
            "loop devices and mke2fs",
            has_file_system("ext4") && loops_are_there(),
            "scratch space is on disk, bounded, and not counted as memory",
            "scratch space is in memory and counted as the sandbox's; install e2fsprogs, and \
             try: modprobe loop",
        ),
    ]
}

/// The kernel has it, or can load it: it loads a module at the first use, so who may mount asks for
/// one (which mounts nothing), and who may not looks at what is loaded.
fn has_file_system(name: &str) -> bool {
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    known.lines().any(|line| line.split_whitespace().last() == Some(name))
        || fsopen(name, FsOpenFlags::FSOPEN_CLOEXEC).is_ok()
}

/// What tasks' networks need; nothing is made to see.
fn networks(filters: bool) -> Vec<Finding> {
    let forward = std::fs::metadata("/proc/sys/net/ipv4/ip_forward");
    let writable = forward.is_ok_and(|found| !found.permissions().readonly());
    vec![
        finding(
            "network administration",
            has_net_admin(),
            "sandboxes can have addresses of their own, on a bridge of this instance",
            NO_NETWORK,
        ),
        finding(
            "nf_tables",
            filters,
            "sandboxes reach the world by this host's address, are kept from its private ports, \
             and security groups act on their traffic",
            match has_net_admin() {
                true => {
                    "sandboxes reach each other and this host, its private ports included, and \
                     nothing beyond; security groups do not act; try: modprobe nf_tables"
                }
                false => "security groups do not act: that needs the capability NET_ADMIN",
            },
        ),
        finding(
            "ip_forward",
            writable,
            "packets of sandboxes can be passed on; set when the first network is made",
            "packets of sandboxes are not passed on: /proc/sys is read-only; set \
             net.ipv4.ip_forward to 1 on the host",
        ),
    ]
}

/// Interfaces, addresses and routes can be made.
pub(crate) fn has_net_admin() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| capabilities_held() & (1 << NET_ADMIN) != 0)
}

fn capabilities_held() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}

/// Scratch file systems can be made in files.
pub(crate) fn loops_are_there() -> bool {
    Path::new("/dev/loop-control").exists() && mke2fs().is_some()
}

/// The program that makes them.
pub(crate) fn mke2fs() -> Option<&'static Path> {
    let places = ["/usr/sbin/mke2fs", "/sbin/mke2fs", "/usr/bin/mke2fs"];
    places.iter().map(|&place| Path::new(place)).find(|place| place.exists())
}

/// An empty call that only a kernel without it answers with `ENOSYS`.
fn has_mount_setattr() -> bool {
    // SAFETY: the size of zero is refused before anything is read.
    let result = unsafe {
        libc::syscall(libc::SYS_mount_setattr, -1, c"".as_ptr(), 0, std::ptr::null::<u8>(), 0)
    };
    sys::check(result).is_err_and(|error| error.raw_os_error() != Some(libc::ENOSYS))
}
