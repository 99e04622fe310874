//! Which devices the members of a control group may use: rules of version 1's controller, and the
//! same as a program of the kernel's for version 2, which has no rules.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use super::{Cgroup, Cgroups, make_dir};
use crate::bpf::{Attributes, END, JUMP, LOAD, MOVE, SET, UNLESS, bpf, load, op};

const PROG_ATTACH: i32 = 8;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const CGROUP_DEVICE: u32 = 6;
/// A group below may have another in its place.
const ALLOW_OVERRIDE: u32 = 1;
/// Fields of `struct bpf_cgroup_dev_ctx`, and what they hold.
const ACCESS: i16 = 0;
const MAJOR: i16 = 4;
const MINOR: i16 = 8;
const KIND: i32 = 0xffff;
const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;
const MAKES_NODE: i32 = 1 << 16;
const READS: i32 = 2 << 16;
const WRITES: i32 = 4 << 16;

/// A device that some may use besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) is_block: bool,
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) make: bool,
}

impl Node {
    fn rule(&self) -> String {
        let letters = [(self.read, 'r'), (self.write, 'w'), (self.make, 'm')];
        let may: String =
            letters.into_iter().filter(|(may, _)| *may).map(|(_, letter)| letter).collect();
        let kind = if self.is_block { 'b' } else { 'c' };
        format!("{kind} {}:{} {may}", self.major, self.minor)
    }

    /// Bits of an access that it may not have.
    fn kept_from(&self) -> i32 {
        let all = [(self.read, READS), (self.write, WRITES), (self.make, MAKES_NODE)];
        all.into_iter().filter(|(may, _)| !may).fold(0, |bits, (_, bit)| bits | bit)
    }
}

/// Character devices that may be read and written; any may be made: major and minor number, all
/// where none.
const ALLOWED: [(i32, Option<i32>); 8] = [
    (1, Some(3)),
    (1, Some(5)),
    (1, Some(7)),
    (1, Some(8)),
    (1, Some(9)),
    (5, Some(0)),
    (5, Some(2)),
    (136, None),
];

/// Sets the rules of a group of version 1.
pub(super) fn set_rules(group: &Path, more: &[Node]) -> io::Result<()> {
    fs::write(group.join("devices.deny"), "a")?;
    // what is made is used by the same rules
    for kind in ["c", "b"] {
        fs::write(group.join("devices.allow"), format!("{kind} *:* m"))?;
    }
    for (major, minor) in ALLOWED {
        let minor = minor.map_or("*".to_owned(), |minor| minor.to_string());
        fs::write(group.join("devices.allow"), format!("c {major}:{minor} rw"))?;
    }
    more.iter().try_for_each(|node| fs::write(group.join("devices.allow"), node.rule()))
}

/// This kernel can do it for groups of version 2, and lets us.
pub(crate) fn are_ruled_by_programs() -> bool {
    load(PROG_TYPE_CGROUP_DEVICE, &program(&[]), CGROUP_DEVICE).is_ok()
}

/// Has a program judge what members of a group of version 2 do, for as long as that is there, in
/// place of the one of a group above.
pub(super) fn attach(group: &Path, more: &[Node]) -> io::Result<()> {
    let program = load(PROG_TYPE_CGROUP_DEVICE, &program(more), CGROUP_DEVICE)?;
    let group = File::open(group)?;
    let mut attributes = Attributes::default();
    attributes.number(group.as_raw_fd() as u32);
    attributes.number(program.as_raw_fd() as u32);
    attributes.number(CGROUP_DEVICE);
    attributes.number(ALLOW_OVERRIDE);
    bpf(PROG_ATTACH, &attributes).map(drop)
}

const AND: u8 = 0x57;
/// Bits of an access that are not the kind of device.
const DONE: i32 = !KIND;

/// Allows one device.
fn allow_node(node: &Node) -> [u64; 10] {
    let kind = if node.is_block { BLOCK } else { CHARACTER };
    [
        op(MOVE, (5, 2), 0, 0),
        op(AND, (5, 0), 0, KIND),
        op(UNLESS, (5, 0), 7, kind),
        op(UNLESS, (3, 0), 6, node.major as i32),
        op(UNLESS, (4, 0), 5, node.minor as i32),
        op(MOVE, (5, 2), 0, 0),
        op(AND, (5, 0), 0, node.kept_from()),
        op(UNLESS, (5, 0), 2, 0),
        op(SET, (0, 0), 0, 1),
        op(END, (0, 0), 0, 0),
    ]
}

fn program(more: &[Node]) -> Vec<u64> {
    let refuse = [op(SET, (0, 0), 0, 0), op(END, (0, 0), 0, 0)];
    let allow = [op(SET, (0, 0), 0, 1), op(END, (0, 0), 0, 0)];
    let mut tests = Vec::new();
    for (major, minor) in ALLOWED.into_iter().rev() {
        // built from the end: what comes after this one is known
        let to_allow = (tests.len() + refuse.len()) as i16;
        let mut test = vec![op(UNLESS, (3, 0), if minor.is_some() { 2 } else { 1 }, major)];
        test.extend(minor.map(|minor| op(UNLESS, (4, 0), 1, minor)));
        test.push(op(JUMP, (0, 0), to_allow, 0));
        tests.splice(0..0, test);
    }
    let to_refuse = |left: usize| (tests.len() + left) as i16;
    let mut all =
        vec![op(LOAD, (2, 1), ACCESS, 0), op(LOAD, (3, 1), MAJOR, 0), op(LOAD, (4, 1), MINOR, 0)];
    // what is made is used by the same rules
    all.extend([
        op(MOVE, (5, 2), 0, 0),
        op(AND, (5, 0), 0, DONE),
        op(UNLESS, (5, 0), 2, MAKES_NODE),
        op(SET, (0, 0), 0, 1),
        op(END, (0, 0), 0, 0),
    ]);
    all.extend(more.iter().flat_map(allow_node));
    all.extend([op(AND, (2, 0), 0, KIND), op(UNLESS, (2, 0), to_refuse(0), CHARACTER)]);
    all.extend(tests);
    all.extend(refuse);
    all.extend(allow);
    all
}

impl Cgroups {
    /// Lets the members of a container's group, which nobody has joined yet, use more devices.
    pub(crate) fn allow(&self, group: &mut Cgroup, nodes: &[Node]) -> io::Result<()> {
        if self.unified {
            let dir = group.at.parents().into_iter().next().cloned();
            return dir.map_or(Ok(()), |dir| attach(&dir, nodes));
        }
        let (Some(own), Some(before)) = (self.open_devices(), group.at.devices.take()) else {
            return Ok(()); // all may use all
        };
        // below the others it could be given no more than they all have
        let dir = own.join(group.name.replace('/', "."));
        make_dir(&own)?;
        make_dir(&dir)?;
        group.at.devices = Some(dir.clone());
        let _ = fs::remove_dir(before);
        set_rules(&dir, nodes)
    }

    /// Where groups of version 1 are that may use more devices than others.
    fn open_devices(&self) -> Option<PathBuf> {
        let ruled = self.devices.as_ref()?;
        let name = ruled.file_name()?.to_str()?;
        Some(ruled.with_file_name(format!("{name}.devices")))
    }

    /// Removes those, once nobody is in them.
    pub(super) fn remove_open_devices(&self) {
        let Some(open) = self.open_devices() else { return };
        for entry in fs::read_dir(&open).into_iter().flatten().flatten() {
            let _ = fs::remove_dir(entry.path());
        }
        let _ = fs::remove_dir(open);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// A group of version 2, which hybrid hosts have too.
    fn group() -> Option<std::path::PathBuf> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
        let top = Path::new(line.split(' ').nth(4)?);
        let group = top.join(format!("haar-devices-{}", std::process::id()));
        fs::create_dir(&group).ok()?;
        Some(group)
    }

    #[test]
    fn members_use_the_usual_devices_and_make_any() {
        let Some(group) = group().filter(|_| are_ruled_by_programs()) else { return };
        let dir = tempfile::tempdir().unwrap();
        let script = format!(
            "cd {}; echo $$ >{}/cgroup.procs && mknod before c 1 3 && echo made; $0; \
             head -c 1 /dev/zero >/dev/null && echo zero; head -c 1 /dev/urandom | wc -c; \
             (: <>/dev/ptmx) && echo terminal; mknod after c 10 237 && echo after; \
             (: <after) || echo unused; (: </dev/loop-control) || echo kept; mkfifo pipe && echo pipe",
            dir.path().display(),
            group.display()
        );
        let run = || {
            let output = Command::new("sh").args(["-c", &script, "true"]).output().unwrap();
            let _ = fs::remove_file(dir.path().join("before"));
            let _ = fs::remove_file(dir.path().join("after"));
            let _ = fs::remove_file(dir.path().join("pipe"));
            String::from_utf8(output.stdout).unwrap()
        };
        let before = run();
        assert!(before.starts_with("made\nzero\n1\nterminal\n"), "{before}");
        assert!(before.contains("after\n") && !before.contains("unused"), "{before}");
        attach(&group, &[]).unwrap();
        let ruled = "made\nzero\n1\nterminal\nafter\nunused\nkept\npipe\n";
        assert_eq!(run(), ruled);
        let control =
            Node { is_block: false, major: 10, minor: 237, read: true, write: false, make: false };
        attach(&group, &[control]).unwrap();
        assert_eq!(run(), "made\nzero\n1\nterminal\nafter\npipe\n");
        attach(&group, &[Node { read: false, write: true, ..control }]).unwrap();
        assert_eq!(run(), ruled);
        fs::remove_dir(&group).unwrap();
    }
}
