//! Compiles what is said of system calls into the kernel's filter language: a search among ranges
//! of numbers, so that a call costs few steps. The kernel tries every call when a program is
//! installed, which each start of a container does.

use std::collections::BTreeMap;

/// The answer that lets a call through.
pub(super) const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

/// The answer that fails a call.
pub(super) const fn errno(number: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | number as u32
}

/// This processor, as the kernel names it.
#[cfg(target_arch = "x86_64")]
pub(super) const ARCH: u32 = 0xc000_003e;
/// This processor, as the kernel names it.
#[cfg(target_arch = "aarch64")]
pub(super) const ARCH: u32 = 0xc000_00b7;

/// Where the kernel's `struct seccomp_data` has the call's number, the processor, and the lower
/// half of the first argument.
const NUMBER_AT: u32 = 0;
const ARCH_AT: u32 = 4;
const ARGUMENT_AT: u32 = 16;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const IF_AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const IF_ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const ANSWER: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// A compiled program.
pub(in super::super) struct Program(pub(in super::super) Vec<libc::sock_filter>);

/// What is said of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// This answer.
    Always(u32),
    /// The first answer if the first argument has any of these bits, else the second.
    IfAny(u32, u32, u32),
    /// The first answer if the first argument is one of these, else the second.
    IfOneOf(&'static [u32], u32, u32),
}

/// Compiles; what nothing is said of has the answer `otherwise`.
pub(super) fn compile(calls: &BTreeMap<u32, Judgement>, otherwise: u32) -> Result<Program, String> {
    let mut program = vec![
        step(LOAD, ARCH_AT),
        libc::sock_filter { code: IF_EQUAL, jt: 1, jf: 0, k: ARCH },
        step(ANSWER, libc::SECCOMP_RET_KILL_PROCESS),
        step(LOAD, NUMBER_AT),
    ];
    program.extend(search(&ranges(calls, otherwise)));
    match program.len() > usize::from(u16::MAX) >> 4 {
        true => Err("the filter of system calls is too long".to_owned()),
        false => Ok(Program(program)),
    }
}

fn step(code: u16, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt: 0, jf: 0, k }
}

/// Where another judgement begins, and which; the first begins at 0.
fn ranges(calls: &BTreeMap<u32, Judgement>, otherwise: u32) -> Vec<(u32, Judgement)> {
    let otherwise = Judgement::Always(otherwise);
    let mut ranges = vec![(0, otherwise)];
    let mut begin = |at: u32, judgement: Judgement| match ranges.last_mut() {
        Some((first, known)) if *first == at => *known = judgement,
        Some((_, known)) if *known == judgement => {}
        _ => ranges.push((at, judgement)),
    };
    for (number, judgement) in calls {
        begin(*number, *judgement);
        begin(*number + 1, otherwise);
    }
    ranges.dedup_by(|next, before| next.1 == before.1);
    ranges
}

/// Halves the ranges until one is left.
fn search(ranges: &[(u32, Judgement)]) -> Vec<libc::sock_filter> {
    let [.., _, _] = ranges else {
        return ranges.first().map_or_else(Vec::new, |(_, judgement)| answer(*judgement));
    };
    let (below, above) = ranges.split_at(ranges.len() / 2);
    let first_above = above[0].0;
    let (below, above) = (search(below), search(above));
    let mut steps = match u8::try_from(below.len()) {
        Ok(length) => {
            vec![libc::sock_filter { code: IF_AT_LEAST, jt: length, jf: 0, k: first_above }]
        }
        Err(_) => vec![
            libc::sock_filter { code: IF_AT_LEAST, jt: 0, jf: 1, k: first_above },
            step(JUMP, below.len() as u32),
        ],
    };
    steps.extend(below);
    steps.extend(above);
    steps
}

fn answer(judgement: Judgement) -> Vec<libc::sock_filter> {
    let (tests, yes, no): (Vec<_>, _, _) = match judgement {
        Judgement::Always(answer) => return vec![step(ANSWER, answer)],
        Judgement::IfAny(bits, yes, no) => (vec![(IF_ANY_BIT, bits)], yes, no),
        Judgement::IfOneOf(values, yes, no) => {
            (values.iter().map(|value| (IF_EQUAL, *value)).collect(), yes, no)
        }
    };
    let mut steps = vec![step(LOAD, ARGUMENT_AT)];
    for (left, (code, k)) in (0..tests.len() as u8).rev().zip(tests) {
        // over the tests that are left and the answer to none
        steps.push(libc::sock_filter { code, jt: left + 1, jf: 0, k });
    }
    steps.extend([step(ANSWER, no), step(ANSWER, yes)]);
    steps
}

/// Runs a program as the kernel would: its answer, and how many steps it took.
#[cfg(test)]
fn interpret(program: &Program, arch: u32, number: u32, argument: u64) -> (u32, usize) {
    let (mut at, mut value, mut steps) = (0, 0, 0);
    loop {
        let libc::sock_filter { code, jt, jf, k } = program.0[at];
        (at, steps) = (at + 1, steps + 1);
        let mut branch = |taken: bool| at += usize::from(if taken { jt } else { jf });
        match code {
            ANSWER => return (k, steps),
            JUMP => at += k as usize,
            IF_EQUAL => branch(value == k),
            IF_AT_LEAST => branch(value >= k),
            IF_ANY_BIT => branch(value & k != 0),
            LOAD => {
                value = match k {
                    NUMBER_AT => number,
                    ARCH_AT => arch,
                    ARGUMENT_AT => argument as u32,
                    other => panic!("nothing is at {other}"),
                }
            }
            other => panic!("no such step: {other}"),
        }
    }
}

#[cfg(test)]
pub(super) fn run(program: &Program, arch: u32, number: u32, argument: u64) -> u32 {
    interpret(program, arch, number, argument).0
}

#[cfg(test)]
pub(super) fn steps(program: &Program, number: u32) -> usize {
    interpret(program, ARCH, number, 0).1
}
