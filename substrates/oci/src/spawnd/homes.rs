//! Which interface and hardware address each sandbox's address is at, and with whom it shares a
//! network: what of it the packet filter has, and what a change of homes changes there.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::rules::Change;

/// Where an address is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Home {
    /// The host's side of its interface.
    pub(super) interface: String,
    pub(super) mac: [u8; 6],
    /// Others of this realm alone are reached; none is everybody.
    pub(super) realm: Option<String>,
}

/// Realms that nobody is of and that are kept for the next.
const SPARE_MAX: usize = 16;

/// The homes that the packet filter has been told.
#[derive(Default)]
pub(super) struct Homes {
    addresses: BTreeMap<Ipv4Addr, Home>,
    /// Numbers of realms, with how many are of them.
    realms: BTreeMap<String, (u32, usize)>,
    last: u32,
}

impl Homes {
    /// An address is there from now on; `None`: nowhere.
    pub(super) fn place(&mut self, address: Ipv4Addr, home: Option<&Home>) -> Vec<Change> {
        let mut changes = Vec::new();
        let before = self.addresses.remove(&address);
        if before.as_ref() != home {
            changes.extend(before.iter().map(|home| Change::MoveOut(address, home.clone())));
            changes.extend(home.iter().map(|&home| Change::MoveIn(address, home.clone())));
        }
        let realm = |home: Option<&Home>| home.and_then(|home| home.realm.clone());
        let (old, new) = (realm(before.as_ref()), realm(home));
        if old != new {
            old.into_iter().for_each(|realm| self.leave(&realm, address, &mut changes));
            new.into_iter().for_each(|realm| self.join(realm, address, &mut changes));
        }
        self.addresses.extend(home.map(|home| (address, home.clone())));
        changes
    }

    fn join(&mut self, realm: String, address: Ipv4Addr, changes: &mut Vec<Change>) {
        let last = &mut self.last;
        let (number, members) = self.realms.entry(realm).or_insert_with(|| {
            *last += 1;
            changes.push(Change::MakeRealm(*last));
            (*last, 0)
        });
        *members += 1;
        changes.push(Change::JoinRealm(*number, address));
    }

    fn leave(&mut self, realm: &str, address: Ipv4Addr, changes: &mut Vec<Change>) {
        let spare = self.realms.values().filter(|(_, members)| *members == 0).count();
        let Some((number, members)) = self.realms.get_mut(realm) else { return };
        changes.push(Change::LeaveRealm(*number, address));
        *members -= 1;
        if *members == 0 && spare >= SPARE_MAX {
            changes.push(Change::EndRealm(*number));
            self.realms.remove(realm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(interface: &str, realm: Option<&str>) -> Home {
        Home { interface: interface.to_owned(), mac: [2; 6], realm: realm.map(str::to_owned) }
    }

    #[test]
    fn an_address_has_one_home_and_is_of_one_realm() {
        let (mut homes, [one, other]) = (Homes::default(), [4, 5].map(|d| [10, 1, 0, d].into()));
        let (a, b, c) = (home("h1", Some("a")), home("h2", Some("b")), home("h3", None));
        let first =
            [Change::MoveIn(one, a.clone()), Change::MakeRealm(1), Change::JoinRealm(1, one)];
        assert_eq!(homes.place(one, Some(&a)), first);
        assert_eq!(homes.place(one, Some(&a)), []);
        assert_eq!(homes.place(other, Some(&a))[1], Change::JoinRealm(1, other));
        let moved = [
            Change::MoveOut(one, a.clone()),
            Change::MoveIn(one, b.clone()),
            Change::LeaveRealm(1, one),
            Change::MakeRealm(2),
            Change::JoinRealm(2, one),
        ];
        assert_eq!(homes.place(one, Some(&b)), moved);
        let freed =
            [Change::MoveOut(one, b), Change::MoveIn(one, c.clone()), Change::LeaveRealm(2, one)];
        assert_eq!(homes.place(one, Some(&c)), freed);
        assert_eq!(homes.place(one, None), [Change::MoveOut(one, c)]);
        assert_eq!(homes.place(one, None), []);
        // a realm that nobody is of is kept for the next, but not all of them are
        let again = home("h4", Some("b"));
        assert_eq!(homes.place(one, Some(&again))[1], Change::JoinRealm(2, one));
        let mut ended = 0;
        for realm in 0..40 {
            let changes = homes.place(one, Some(&home("h4", Some(&format!("r{realm}")))));
            ended += changes.iter().filter(|one| matches!(one, Change::EndRealm(_))).count();
        }
        assert_eq!(ended, 40 - SPARE_MAX);
    }
}
