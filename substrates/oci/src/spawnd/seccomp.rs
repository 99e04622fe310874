//! The system calls that sandboxed processes may use: an allow list like Docker's.
//!
//! What is not on it answers `ENOSYS`, so that C libraries fall back to older calls (`clone3`
//! to `clone`, whose flags can be looked at). What would change the host or the isolation
//! answers `EPERM`.

mod program;

use std::collections::BTreeMap;

pub(super) use program::Program;
use program::{ALLOW, Judgement, errno};

/// Flags of `clone` that make namespaces.
const CLONE_NEW: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;

/// Personalities that may be taken on.
const PERSONALITIES: &[u32] = &[0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// Programs by what they are for.
pub(super) struct Profiles {
    /// Functions.
    pub(super) function: Program,
    /// Containers: Docker's default.
    pub(super) container: Program,
    /// Containers that were given the capability to administer the system.
    pub(super) admin: Program,
}

/// Compiles all programs, once.
pub(super) fn compile() -> Result<Profiles, String> {
    Ok(Profiles {
        function: profile(&[], false)?,
        container: profile(&[libc::SYS_chroot], false)?,
        admin: profile(ADMIN, true)?,
    })
}

/// A profile that lets more calls through, and perhaps namespaces be made.
fn profile(freed: &[i64], namespaces: bool) -> Result<Program, String> {
    program::compile(&judgements(freed, namespaces), errno(libc::ENOSYS))
}

fn judgements(freed: &[i64], namespaces: bool) -> BTreeMap<u32, Judgement> {
    let (no, unknown) = (errno(libc::EPERM), errno(libc::ENOSYS));
    let calls = |all: &[i64], judgement: Judgement| {
        let all = all.iter().map(|number| (*number as u32, judgement));
        all.collect::<BTreeMap<_, _>>()
    };
    let mut all = calls(DENIED, Judgement::Always(no));
    for allowed in [ALLOWED, ALLOWED_HERE, freed] {
        all.extend(calls(allowed, Judgement::Always(ALLOW)));
    }
    if !namespaces {
        all.insert(libc::SYS_clone as u32, Judgement::IfAny(CLONE_NEW, no, ALLOW));
    }
    let personality = Judgement::IfOneOf(PERSONALITIES, ALLOW, unknown);
    all.insert(libc::SYS_personality as u32, personality);
    const VSOCK: &[u32] = &[libc::AF_VSOCK as u32];
    all.insert(libc::SYS_socket as u32, Judgement::IfOneOf(VSOCK, unknown, ALLOW));
    all
}

macro_rules! calls {
    ($($name:ident)*) => { &[$(libc::$name),*] };
}

/// What Docker lets through with `SYS_ADMIN`, and `clone` with its namespaces.
const ADMIN: &[i64] = calls! {
    SYS_chroot SYS_clone SYS_fsconfig SYS_fsmount SYS_fsopen SYS_fspick SYS_lookup_dcookie
    SYS_mount SYS_mount_setattr SYS_move_mount SYS_open_tree SYS_pivot_root SYS_quotactl
    SYS_setdomainname SYS_sethostname SYS_setns SYS_umount2 SYS_unshare
};

const DENIED: &[i64] = calls! {
    SYS_acct SYS_add_key SYS_bpf SYS_chroot SYS_clock_adjtime SYS_clock_settime
    SYS_delete_module SYS_finit_module SYS_fsconfig SYS_fsmount SYS_fsopen SYS_fspick
    SYS_init_module SYS_ioprio_set SYS_kexec_file_load SYS_kexec_load SYS_keyctl
    SYS_lookup_dcookie SYS_mount SYS_mount_setattr SYS_move_mount SYS_move_pages
    SYS_name_to_handle_at SYS_nfsservctl SYS_open_by_handle_at SYS_open_tree
    SYS_perf_event_open SYS_pivot_root SYS_process_madvise SYS_quotactl SYS_reboot
    SYS_request_key SYS_setdomainname SYS_sethostname SYS_setns SYS_settimeofday SYS_swapoff
    SYS_swapon SYS_syslog SYS_umount2 SYS_unshare SYS_userfaultfd SYS_vhangup
};

const ALLOWED: &[i64] = calls! {
    SYS_accept SYS_accept4 SYS_adjtimex SYS_bind SYS_brk SYS_capget SYS_capset SYS_chdir
    SYS_clock_getres SYS_clock_gettime SYS_clock_nanosleep SYS_close SYS_close_range
    SYS_connect SYS_copy_file_range SYS_dup SYS_dup3 SYS_epoll_create1 SYS_epoll_ctl
    SYS_epoll_pwait SYS_epoll_pwait2 SYS_eventfd2 SYS_execve SYS_execveat SYS_exit
    SYS_exit_group SYS_faccessat SYS_faccessat2 SYS_fadvise64 SYS_fallocate
    SYS_fchdir SYS_fchmod SYS_fchmodat SYS_fchown SYS_fchownat SYS_fcntl SYS_fdatasync
    SYS_fgetxattr SYS_flistxattr SYS_flock SYS_fremovexattr SYS_fsetxattr SYS_fstat
    SYS_fstatfs SYS_fsync SYS_ftruncate SYS_futex SYS_futex_waitv SYS_get_mempolicy
    SYS_get_robust_list SYS_getcpu SYS_getcwd SYS_getdents64 SYS_getegid SYS_geteuid
    SYS_getgid SYS_getgroups SYS_getitimer SYS_getpeername SYS_getpgid SYS_getpid
    SYS_getppid SYS_getpriority SYS_getrandom SYS_getresgid SYS_getresuid SYS_getrlimit
    SYS_getrusage SYS_getsid SYS_getsockname SYS_getsockopt SYS_gettid SYS_gettimeofday
    SYS_getuid SYS_getxattr SYS_inotify_add_watch SYS_inotify_init1 SYS_inotify_rm_watch
    SYS_io_cancel SYS_io_destroy SYS_io_getevents SYS_io_setup SYS_io_submit SYS_ioctl
    SYS_ioprio_get SYS_kill SYS_landlock_add_rule SYS_landlock_create_ruleset
    SYS_landlock_restrict_self SYS_lgetxattr SYS_linkat SYS_listen SYS_listxattr
    SYS_llistxattr SYS_lremovexattr SYS_lseek SYS_lsetxattr SYS_madvise SYS_mbind
    SYS_membarrier SYS_memfd_create SYS_memfd_secret SYS_mincore SYS_mkdirat SYS_mknodat
    SYS_mlock SYS_mlock2 SYS_mlockall SYS_mmap SYS_mprotect SYS_mq_getsetattr SYS_mq_notify
    SYS_mq_open SYS_mq_timedreceive SYS_mq_timedsend SYS_mq_unlink SYS_mremap SYS_msgctl
    SYS_msgget SYS_msgrcv SYS_msgsnd SYS_msync SYS_munlock SYS_munlockall SYS_munmap
    SYS_nanosleep SYS_newfstatat SYS_openat SYS_openat2 SYS_pidfd_getfd SYS_pidfd_open
    SYS_pidfd_send_signal SYS_pipe2 SYS_pkey_alloc SYS_pkey_free SYS_pkey_mprotect SYS_ppoll
    SYS_prctl SYS_pread64 SYS_preadv SYS_preadv2 SYS_prlimit64 SYS_process_mrelease
    SYS_process_vm_readv SYS_process_vm_writev SYS_pselect6 SYS_ptrace SYS_pwrite64
    SYS_pwritev SYS_pwritev2 SYS_read SYS_readahead SYS_readlinkat SYS_readv SYS_recvfrom
    SYS_recvmmsg SYS_recvmsg SYS_remap_file_pages SYS_removexattr SYS_renameat SYS_renameat2
    SYS_restart_syscall SYS_rseq SYS_rt_sigaction SYS_rt_sigpending SYS_rt_sigprocmask
    SYS_rt_sigqueueinfo SYS_rt_sigreturn SYS_rt_sigsuspend SYS_rt_sigtimedwait
    SYS_rt_tgsigqueueinfo SYS_sched_get_priority_max SYS_sched_get_priority_min
    SYS_sched_getaffinity SYS_sched_getattr SYS_sched_getparam SYS_sched_getscheduler
    SYS_sched_rr_get_interval SYS_sched_setaffinity SYS_sched_setattr SYS_sched_setparam
    SYS_sched_setscheduler SYS_sched_yield SYS_seccomp SYS_semctl SYS_semget SYS_semop
    SYS_semtimedop SYS_sendfile SYS_sendmmsg SYS_sendmsg SYS_sendto SYS_set_mempolicy
    SYS_set_robust_list SYS_set_tid_address SYS_setfsgid SYS_setfsuid SYS_setgid
    SYS_setgroups SYS_setitimer SYS_setpgid SYS_setpriority SYS_setregid SYS_setresgid
    SYS_setresuid SYS_setreuid SYS_setrlimit SYS_setsid SYS_setsockopt SYS_setuid
    SYS_setxattr SYS_shmat SYS_shmctl SYS_shmdt SYS_shmget SYS_shutdown SYS_sigaltstack
    SYS_signalfd4 SYS_socketpair SYS_splice SYS_statfs SYS_statx SYS_symlinkat
    SYS_sync SYS_sync_file_range SYS_syncfs SYS_sysinfo SYS_tee SYS_tgkill SYS_timer_create
    SYS_timer_delete SYS_timer_getoverrun SYS_timer_gettime SYS_timer_settime
    SYS_timerfd_create SYS_timerfd_gettime SYS_timerfd_settime SYS_times SYS_tkill
    SYS_truncate SYS_umask SYS_uname SYS_unlinkat SYS_utimensat SYS_vmsplice SYS_wait4
    SYS_waitid SYS_write SYS_writev
};

#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[i64] = calls! {
    SYS_access SYS_alarm SYS_arch_prctl SYS_chmod SYS_chown SYS_creat SYS_dup2
    SYS_epoll_create SYS_epoll_wait SYS_eventfd SYS_fork SYS_futimesat SYS_getdents
    SYS_getpgrp SYS_inotify_init SYS_lchown SYS_link SYS_lstat SYS_mkdir SYS_mknod
    SYS_modify_ldt SYS_open SYS_pause SYS_pipe SYS_poll SYS_readlink SYS_rename SYS_rmdir
    SYS_select SYS_signalfd SYS_stat SYS_symlink SYS_time SYS_unlink SYS_utime SYS_utimes
    SYS_vfork
};

#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[i64] = &[];

#[cfg(test)]
#[allow(clippy::unwrap_used)] // as tests do
mod tests {
    use super::*;

    const NO: u32 = errno(libc::EPERM);
    const UNKNOWN: u32 = errno(libc::ENOSYS);

    fn says(program: &Program, number: i64, argument: u64) -> u32 {
        program::run(program, program::ARCH, number as u32, argument)
    }

    #[test]
    fn every_call_is_judged_as_the_lists_say() {
        let profiles = compile().unwrap();
        let kinds: [(&Program, &[i64]); 3] = [
            (&profiles.function, &[]),
            (&profiles.container, &[libc::SYS_chroot]),
            (&profiles.admin, ADMIN),
        ];
        let special = [libc::SYS_clone, libc::SYS_personality, libc::SYS_socket];
        for (program, freed) in kinds {
            for number in (0..1_000).filter(|number| !special.contains(number)) {
                let allowed =
                    [ALLOWED, ALLOWED_HERE, freed].iter().any(|all| all.contains(&number));
                let expected = match (allowed, DENIED.contains(&number)) {
                    (true, _) => ALLOW,
                    (false, true) => NO,
                    (false, false) => UNKNOWN,
                };
                assert_eq!(says(program, number, 0), expected, "{number}");
            }
            // the other numbering of this processor, and another processor
            assert_eq!(says(program, 0x4000_0000 | libc::SYS_read, 0), UNKNOWN);
            let foreign = program::run(program, program::ARCH ^ 1, libc::SYS_read as u32, 0);
            assert_eq!(foreign, libc::SECCOMP_RET_KILL_PROCESS);
        }
        assert!(DENIED.iter().all(|call| !ALLOWED.contains(call) && !ALLOWED_HERE.contains(call)));
    }

    #[test]
    fn arguments_are_looked_at_where_they_matter() {
        let profiles = compile().unwrap();
        for program in [&profiles.function, &profiles.container] {
            let thread = (libc::CLONE_VM | libc::CLONE_THREAD) as u64;
            assert_eq!(says(program, libc::SYS_clone, thread), ALLOW);
            for bit in 0..32 {
                let expected = if CLONE_NEW & 1 << bit == 0 { ALLOW } else { NO };
                assert_eq!(says(program, libc::SYS_clone, thread | 1 << bit), expected, "{bit}");
            }
        }
        let program = &profiles.admin;
        assert_eq!(says(program, libc::SYS_clone, libc::CLONE_NEWUSER as u64), ALLOW);
        assert_eq!(says(program, libc::SYS_personality, 0xffff_ffff), ALLOW);
        assert_eq!(says(program, libc::SYS_personality, 0x40_0000), UNKNOWN);
        assert_eq!(says(program, libc::SYS_socket, libc::AF_INET as u64), ALLOW);
        assert_eq!(says(program, libc::SYS_socket, libc::AF_VSOCK as u64), UNKNOWN);
        // what the kernel does not look at decides nothing
        let high = 1 << 40 | libc::AF_VSOCK as u64;
        assert_eq!(says(program, libc::SYS_socket, high), UNKNOWN);
    }

    #[test]
    fn a_program_finds_its_answer_in_few_steps() {
        let profiles = compile().unwrap();
        for program in [&profiles.function, &profiles.container, &profiles.admin] {
            assert!(program.0.len() < 400, "{}", program.0.len());
            let most = (0..500).map(|number| program::steps(program, number)).max();
            assert!(most.unwrap() < 24, "{most:?}");
        }
    }
}
