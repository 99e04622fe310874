//! What goes into a container where programs run, to become one of them: a program of a few
//! instructions that knows nothing but what it shall run. It joins the control groups, makes the
//! program's process in the container's sight, tells its number, and ends; that process tells why
//! there is no program, or nothing.

use std::arch::global_asm;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::ProgramPlan;
use crate::spawnd::tiny::{self, BODY_AT};

// The table right behind the code is eight bytes each: where to tell, whether there is a terminal,
// the arguments, the environment, the paths, how many control groups, and each of those.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".pushsection .rodata.haar_entrant, \"a\"",
    ".balign 8",
    ".globl haar_entrant, haar_entrant_end",
    "haar_entrant:",
    "lea rbx, [rip + haar_entrant_end]",
    "lea r14, [rbx + 48]",
    "mov r12, [rbx + 40]",
    ".Lhaar_join:",
    "test r12, r12",
    "jz .Lhaar_joined",
    "mov edi, [r14]",
    "lea rsi, [rip + .Lhaar_self]",
    "mov edx, 1",
    "mov eax, 1", // write
    "syscall",
    "test rax, rax",
    "js .Lhaar_outside",
    "mov edi, [r14]",
    "mov eax, 3", // close
    "syscall",
    "add r14, 8",
    "dec r12",
    "jmp .Lhaar_join",
    ".Lhaar_joined:",
    "mov edi, [rbx]",
    "mov esi, 2",  // F_SETFD
    "mov edx, 1",  // FD_CLOEXEC
    "mov eax, 72", // fcntl
    "syscall",
    "test rax, rax",
    "js .Lhaar_outside",
    "mov edi, 0x8011", // CLONE_PARENT | SIGCHLD
    "xor esi, esi",
    "xor edx, edx",
    "xor r10d, r10d",
    "xor r8d, r8d",
    "mov eax, 56", // clone
    "syscall",
    "test rax, rax",
    "jz .Lhaar_inside",
    ".Lhaar_outside:",
    "xor r15d, r15d",
    ".Lhaar_tell:",
    "push rax",
    "mov edi, [rbx]",
    "mov rsi, rsp",
    "mov edx, 4",
    "mov eax, 1", // write
    "syscall",
    "mov edi, r15d",
    "mov eax, 231", // exit_group
    "syscall",
    ".Lhaar_inside:",
    "mov eax, 112", // setsid
    "syscall",
    "cmp qword ptr [rbx + 8], 0",
    "je .Lhaar_bound",
    "xor edi, edi",
    "mov esi, 0x540e", // TIOCSCTTY
    "xor edx, edx",
    "mov eax, 16", // ioctl
    "syscall",
    "test rax, rax",
    "js .Lhaar_failed",
    ".Lhaar_bound:",
    "mov edi, 1", // PR_SET_PDEATHSIG
    "mov esi, 9",
    "mov eax, 157", // prctl
    "syscall",
    "mov r12, [rbx + 32]",
    "xor r13d, r13d",
    ".Lhaar_next:",
    "mov rdi, [r12]",
    "test rdi, rdi",
    "jz .Lhaar_none",
    "mov rsi, [rbx + 16]",
    "mov rdx, [rbx + 24]",
    "mov eax, 59", // execve
    "syscall",
    "test r13d, r13d",
    "jz .Lhaar_note",
    "cmp eax, -2", // ENOENT
    "je .Lhaar_skip",
    "cmp eax, -20", // ENOTDIR
    "je .Lhaar_skip",
    ".Lhaar_note:",
    "mov r13d, eax",
    ".Lhaar_skip:",
    "add r12, 8",
    "jmp .Lhaar_next",
    ".Lhaar_none:",
    "mov eax, r13d",
    "test eax, eax",
    "jnz .Lhaar_failed",
    "mov eax, -2",
    ".Lhaar_failed:",
    "mov r15d, 127",
    "jmp .Lhaar_tell",
    ".Lhaar_self:",
    ".byte 0x30",
    ".balign 8",
    "haar_entrant_end:",
    ".popsection",
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    ".pushsection .rodata.haar_entrant, \"a\"",
    ".balign 8",
    ".globl haar_entrant",
    ".globl haar_entrant_end",
    "haar_entrant:",
    "adr x19, haar_entrant_end",
    "add x20, x19, #48",
    "ldr x21, [x19, #40]",
    ".Lhaar_join:",
    "cbz x21, .Lhaar_joined",
    "ldr x0, [x20]",
    "adr x1, .Lhaar_self",
    "mov x2, #1",
    "mov x8, #64", // write
    "svc #0",
    "tbnz x0, #63, .Lhaar_outside",
    "ldr x0, [x20]",
    "mov x8, #57", // close
    "svc #0",
    "add x20, x20, #8",
    "sub x21, x21, #1",
    "b .Lhaar_join",
    ".Lhaar_joined:",
    "ldr x0, [x19]",
    "mov x1, #2",  // F_SETFD
    "mov x2, #1",  // FD_CLOEXEC
    "mov x8, #25", // fcntl
    "svc #0",
    "tbnz x0, #63, .Lhaar_outside",
    "mov x0, #0x8011", // CLONE_PARENT | SIGCHLD
    "mov x1, #0",
    "mov x2, #0",
    "mov x3, #0",
    "mov x4, #0",
    "mov x8, #220", // clone
    "svc #0",
    "cbz x0, .Lhaar_inside",
    ".Lhaar_outside:",
    "mov x22, #0",
    ".Lhaar_tell:",
    "str x0, [sp, #-16]!",
    "ldr x0, [x19]",
    "mov x1, sp",
    "mov x2, #4",
    "mov x8, #64", // write
    "svc #0",
    "mov x0, x22",
    "mov x8, #94", // exit_group
    "svc #0",
    ".Lhaar_inside:",
    "mov x8, #157", // setsid
    "svc #0",
    "ldr x0, [x19, #8]",
    "cbz x0, .Lhaar_bound",
    "mov x0, #0",
    "mov x1, #0x540e", // TIOCSCTTY
    "mov x2, #0",
    "mov x8, #29", // ioctl
    "svc #0",
    "tbnz x0, #63, .Lhaar_failed",
    ".Lhaar_bound:",
    "mov x0, #1", // PR_SET_PDEATHSIG
    "mov x1, #9",
    "mov x8, #167", // prctl
    "svc #0",
    "ldr x20, [x19, #32]",
    "mov x21, #0",
    ".Lhaar_next:",
    "ldr x0, [x20]",
    "cbz x0, .Lhaar_none",
    "ldr x1, [x19, #16]",
    "ldr x2, [x19, #24]",
    "mov x8, #221", // execve
    "svc #0",
    "cbz x21, .Lhaar_note",
    "cmn x0, #2", // ENOENT
    "b.eq .Lhaar_skip",
    "cmn x0, #20", // ENOTDIR
    "b.eq .Lhaar_skip",
    ".Lhaar_note:",
    "mov x21, x0",
    ".Lhaar_skip:",
    "add x20, x20, #8",
    "b .Lhaar_next",
    ".Lhaar_none:",
    "mov x0, x21",
    "cbnz x0, .Lhaar_failed",
    "mov x0, #-2",
    ".Lhaar_failed:",
    "mov x22, #127",
    "b .Lhaar_tell",
    ".Lhaar_self:",
    ".byte 0x30",
    ".balign 8",
    "haar_entrant_end:",
    ".popsection",
);

unsafe extern "C" {
    static haar_entrant: u8;
    static haar_entrant_end: u8;
}

fn code() -> &'static [u8] {
    let (begin, end) = (&raw const haar_entrant, &raw const haar_entrant_end);
    // SAFETY: two marks around constants of this program, the second behind the first.
    unsafe { std::slice::from_raw_parts(begin, end.offset_from_unsigned(begin)) }
}

/// The program for one plan: it tells by a descriptor of this number.
pub(super) fn program(plan: &ProgramPlan<'_>, telling: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let groups = &plan.entries.tasks;
    let code = code();
    let table_at = BODY_AT + code.len() as u64;
    let lists = [&plan.program.argv, &plan.program.env, &plan.program.paths];
    let mut lists_at = table_at + 8 * (6 + groups.len() as u64);
    let starts = lists.map(|list| {
        let at = lists_at;
        lists_at += 8 * (list.len() as u64 + 1);
        at
    });

    let number = |fd: BorrowedFd<'_>| fd.as_raw_fd() as u64;
    let mut words = vec![number(telling), u64::from(plan.program.terminal)];
    words.extend(starts);
    words.push(groups.len() as u64);
    words.extend(groups.iter().map(|group| group.as_raw_fd() as u64));
    let mut strings = Vec::new();
    for list in lists {
        for string in list {
            words.push(lists_at + strings.len() as u64);
            strings.extend_from_slice(CString::as_bytes_with_nul(string));
        }
        words.push(0);
    }
    let mut body = code.to_vec();
    body.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
    body.extend(strings);
    tiny::of_one("exec", &body)
}
