//! Who may reach a sandbox and whom it may reach, as the packet filter is told: what is there of
//! it, and what a change of addresses' filters changes there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use haar_substrate::{Filter, FilterRule, Peer, RuleProtocol};

use super::homes::Home;

/// Chains that no address uses any more and that are kept for the next.
const SPARE_MAX: usize = 16;

/// One thing that the packet filter is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A set of addresses, by number.
    MakeGroup(u32),
    /// A pair of chains, by number.
    MakeChains(u32, Rules),
    /// An address has chains no more.
    Leave(Ipv4Addr),
    LeaveGroup(u32, Ipv4Addr),
    /// An address has these chains.
    Enter(Ipv4Addr, u32),
    JoinGroup(u32, Ipv4Addr),
    EndChains(u32),
    EndGroup(u32),
    /// An address is somewhere no more.
    MoveOut(Ipv4Addr, Home),
    MoveIn(Ipv4Addr, Home),
    /// A realm, by number.
    MakeRealm(u32),
    EndRealm(u32),
    /// An address is of a realm no more.
    LeaveRealm(u32, Ipv4Addr),
    JoinRealm(u32, Ipv4Addr),
}

/// What one pair of chains lets through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) ingress: Vec<Traffic>,
    pub(super) egress: Vec<Traffic>,
}

/// Some connections, with groups by their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) protocol: RuleProtocol,
    pub(super) peers: Vec<Peer>,
    pub(super) groups: Vec<u32>,
}

impl Rules {
    fn groups(&self) -> impl Iterator<Item = u32> {
        let all = self.ingress.iter().chain(&self.egress);
        all.flat_map(|traffic| traffic.groups.iter().copied())
    }
}

/// What the packet filter has been told. Addresses whose filters let the same through share a
/// pair of chains; a group's members are a set of its own, so that one more is one element.
#[derive(Default)]
pub(super) struct Book {
    addresses: BTreeMap<Ipv4Addr, Placed>,
    groups: BTreeMap<String, Group>,
    chains: Vec<Chains>,
    last: u32,
}

/// An address with a filter.
struct Placed {
    chains: u32,
    groups: BTreeSet<u32>,
}

struct Group {
    number: u32,
    members: usize,
}

struct Chains {
    number: u32,
    rules: Rules,
    users: usize,
}

impl Book {
    /// An address has this filter from now on; `None`: none.
    pub(super) fn place(&mut self, address: Ipv4Addr, filter: Option<&Filter>) -> Vec<Change> {
        let mut changes = Vec::new();
        let now = filter.map(|filter| Placed {
            chains: self.chains_of(filter, &mut changes),
            groups: filter.groups.iter().map(|name| self.group(name, &mut changes)).collect(),
        });
        let before = self.addresses.remove(&address);
        let chains = |placed: &Option<Placed>| placed.as_ref().map(|placed| placed.chains);
        if chains(&before) != chains(&now) {
            changes.extend(before.iter().map(|_| Change::Leave(address)));
            changes.extend(now.iter().map(|placed| Change::Enter(address, placed.chains)));
            self.count_users(chains(&before), chains(&now));
        }
        let groups = |placed: &Option<Placed>| {
            placed.as_ref().map(|placed| placed.groups.clone()).unwrap_or_default()
        };
        let (before, after) = (groups(&before), groups(&now));
        for number in before.difference(&after) {
            changes.push(Change::LeaveGroup(*number, address));
        }
        for number in after.difference(&before) {
            changes.push(Change::JoinGroup(*number, address));
        }
        for group in self.groups.values_mut() {
            group.members += usize::from(after.contains(&group.number));
            group.members -= usize::from(before.contains(&group.number));
        }
        self.addresses.extend(now.map(|placed| (address, placed)));
        changes
    }

    /// Lets go of what is not used: chains, but for some, and groups that neither have members
    /// nor are referred to.
    pub(super) fn tidy(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        let spare = self.chains.iter().filter(|chains| chains.users == 0).count();
        let mut surplus = spare.saturating_sub(SPARE_MAX);
        self.chains.retain(|chains| {
            let goes = chains.users == 0 && surplus > 0;
            surplus -= usize::from(goes);
            changes.extend(goes.then_some(Change::EndChains(chains.number)));
            !goes
        });
        let wanted: BTreeSet<u32> =
            self.chains.iter().flat_map(|chains| chains.rules.groups()).collect();
        self.groups.retain(|_, group| {
            let stays = group.members > 0 || wanted.contains(&group.number);
            changes.extend((!stays).then_some(Change::EndGroup(group.number)));
            stays
        });
        changes
    }

    fn count_users(&mut self, before: Option<u32>, now: Option<u32>) {
        for chains in &mut self.chains {
            chains.users += usize::from(now == Some(chains.number));
            chains.users -= usize::from(before == Some(chains.number));
        }
    }

    /// The number of the chains that let through what a filter does.
    fn chains_of(&mut self, filter: &Filter, changes: &mut Vec<Change>) -> u32 {
        let rules = Rules {
            ingress: self.traffic(&filter.ingress, changes),
            egress: self.traffic(&filter.egress, changes),
        };
        if let Some(known) = self.chains.iter().find(|chains| chains.rules == rules) {
            return known.number;
        }
        self.last += 1;
        changes.push(Change::MakeChains(self.last, rules.clone()));
        self.chains.push(Chains { number: self.last, rules, users: 0 });
        self.last
    }

    fn traffic(&mut self, rules: &[FilterRule], changes: &mut Vec<Change>) -> Vec<Traffic> {
        let mut one = |rule: &FilterRule| Traffic {
            protocol: rule.protocol,
            peers: rule.peers.clone(),
            groups: rule.groups.iter().map(|name| self.group(name, changes)).collect(),
        };
        rules.iter().map(&mut one).collect()
    }

    fn group(&mut self, name: &str, changes: &mut Vec<Change>) -> u32 {
        if let Some(known) = self.groups.get(name) {
            return known.number;
        }
        self.last += 1;
        changes.push(Change::MakeGroup(self.last));
        self.groups.insert(name.to_owned(), Group { number: self.last, members: 0 });
        self.last
    }
}

#[cfg(test)]
mod tests;
