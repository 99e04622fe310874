//! Users and groups by name, as an image's own files have them.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use haar_substrate::User;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use crate::proto::Failure;

/// Longest file that is looked at.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Highest number of a user or group.
const ID_MAX: i64 = 2_147_483_647;

/// Who a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) user: User,
    pub(super) groups: Vec<libc::gid_t>,
    pub(super) home: String,
}

/// Looks up `user`, `uid`, `user:group`, `uid:gid` and their mixtures below a root; empty is
/// root. Numbers need not be in the files.
pub(super) fn find(root: impl AsFd, name: &str) -> Result<Identity, Failure> {
    let refused =
        |reason: &str| Failure::Refused { program: name.to_owned(), reason: reason.to_owned() };
    let passwd = read(&root, "etc/passwd").map_err(|error| refused(&error.to_string()))?;
    let group = read(&root, "etc/group").map_err(|error| refused(&error.to_string()))?;
    judge(name, &passwd, &group).map_err(refused)
}

fn judge(name: &str, passwd: &str, groups: &str) -> Result<Identity, &'static str> {
    let (user, group) = match name.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (name, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let line = lines(passwd).find(|fields| fields.first() == Some(&user));
    let number = number(user)?;
    let line =
        line.or_else(|| lines(passwd).find(|fields| number.is_some() && id(fields, 2) == number));
    let uid = line.as_ref().and_then(|fields| id(fields, 2)).or(number);
    let uid = uid.ok_or("unable to find user: no matching entries in passwd file")?;
    let home = line.as_ref().and_then(|fields| fields.get(5)).copied().unwrap_or("/");
    let home = if home.is_empty() { "/" } else { home };
    let own = line.as_ref().and_then(|fields| id(fields, 3));
    let gid = match group {
        None => own.unwrap_or(0),
        Some(group) => find_group(group, groups)?,
    };
    let mut member = Vec::new();
    let name = line.as_ref().and_then(|fields| fields.first());
    if let (None, Some(name)) = (group, name) {
        let of = lines(groups).filter(|fields| {
            fields.get(3).is_some_and(|users| users.split(',').any(|user| user == *name))
        });
        member = of.filter_map(|fields| id(&fields, 2)).filter(|other| *other != gid).collect();
    }
    Ok(Identity { user: User { uid, gid }, groups: member, home: home.to_owned() })
}

fn find_group(group: &str, groups: &str) -> Result<u32, &'static str> {
    let line = lines(groups).find(|fields| fields.first() == Some(&group));
    let number = number(group)?;
    let found = line.and_then(|fields| id(&fields, 2)).or(number);
    found.ok_or("unable to find group: no matching entries in group file")
}

/// A user or group that is a number, as far as there are such.
fn number(text: &str) -> Result<Option<u32>, &'static str> {
    match text.parse::<i64>() {
        Ok(number @ 0..=ID_MAX) => Ok(u32::try_from(number).ok()),
        Ok(_) => Err("uids and gids must be in range 0-2147483647"),
        Err(_) => Ok(None),
    }
}

fn lines(file: &str) -> impl Iterator<Item = Vec<&str>> {
    file.lines().map(|line| line.trim_end().split(':').collect())
}

fn id(fields: &[&str], at: usize) -> Option<u32> {
    fields.get(at)?.parse().ok()
}

/// A file below the root, whatever links there are; empty where it is not there.
fn read(root: impl AsFd, path: &str) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = match openat2(root, path, flags, Mode::empty(), inside) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(String::new()),
        Err(error) => return Err(error.into()),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(format!("/{path} is not a file")));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:101:102::/srv:/bin/false\n";
    const GROUP: &str = "root:x:0:\nweb:x:102:\nlogs:x:44:web,other\n";

    fn found(name: &str) -> (u32, u32, Vec<u32>, String) {
        let identity = judge(name, PASSWD, GROUP).unwrap();
        (identity.user.uid, identity.user.gid, identity.groups, identity.home)
    }

    #[test]
    fn names_and_numbers_mix() {
        assert_eq!(found(""), (0, 0, vec![], "/root".into()));
        assert_eq!(found("web"), (101, 102, vec![44], "/srv".into()));
        assert_eq!(found("101"), (101, 102, vec![44], "/srv".into()));
        assert_eq!(found("web:logs"), (101, 44, vec![], "/srv".into()));
        assert_eq!(found("7:8"), (7, 8, vec![], "/".into()));
        assert_eq!(found("7"), (7, 0, vec![], "/".into()));
        assert!(judge("nobody-here", PASSWD, GROUP).is_err());
        assert!(judge("web:nothing", PASSWD, GROUP).is_err());
        for name in ["-1", "0:-1", "2147483648", "web:4294967295"] {
            let refused = judge(name, PASSWD, GROUP).unwrap_err();
            assert_eq!(refused, "uids and gids must be in range 0-2147483647", "{name}");
        }
    }
}
