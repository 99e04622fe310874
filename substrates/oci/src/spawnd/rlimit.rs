//! Limits of processes by name.

use haar_substrate::Ulimit;

use crate::proto::Failure;

/// Open files of a container's process where nothing is asked for.
const OPEN_FILES_DEFAULT: u64 = 65_536;

/// The limits of a container's processes, by the kernel's numbers. Never above the host's hard
/// limit: that would take a privilege.
pub(super) fn of_container(
    ulimits: &[Ulimit],
    files: Option<u64>,
    open_files_max: u64,
) -> Result<Vec<(u32, u64, u64)>, Failure> {
    let files = files.unwrap_or(OPEN_FILES_DEFAULT).min(open_files_max);
    let mut limits = vec![(libc::RLIMIT_NOFILE, files, files), (libc::RLIMIT_CORE, 0, 0)];
    for Ulimit { name, soft, hard } in ulimits {
        let resource = number(name)?;
        let most = hard_limit(resource);
        let (hard, soft) = ((*hard).min(most), (*soft).min(*hard).min(most));
        limits.retain(|(other, ..)| *other != resource);
        limits.push((resource, soft, hard));
    }
    Ok(limits)
}

fn number(name: &str) -> Result<u32, Failure> {
    Ok(match name {
        "as" => libc::RLIMIT_AS,
        "core" => libc::RLIMIT_CORE,
        "cpu" => libc::RLIMIT_CPU,
        "data" => libc::RLIMIT_DATA,
        "fsize" => libc::RLIMIT_FSIZE,
        "locks" => libc::RLIMIT_LOCKS,
        "memlock" => libc::RLIMIT_MEMLOCK,
        "msgqueue" => libc::RLIMIT_MSGQUEUE,
        "nice" => libc::RLIMIT_NICE,
        "nofile" => libc::RLIMIT_NOFILE,
        "nproc" => libc::RLIMIT_NPROC,
        "rss" => libc::RLIMIT_RSS,
        "rtprio" => libc::RLIMIT_RTPRIO,
        "rttime" => libc::RLIMIT_RTTIME,
        "sigpending" => libc::RLIMIT_SIGPENDING,
        "stack" => libc::RLIMIT_STACK,
        _ => {
            let reason = "unknown ulimit".to_owned();
            return Err(Failure::Refused { program: name.to_owned(), reason });
        }
    })
}

fn hard_limit(resource: u32) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel fills the struct.
    unsafe { libc::getrlimit(resource as _, &mut limit) };
    limit.rlim_max
}
