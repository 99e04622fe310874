//! Which filters addresses have, and when the packet filter is told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use haar_substrate::Filter;
use parking_lot::Mutex;

use super::nft::Firewall;
use crate::proto::Failure;

/// The filters of one instance's addresses.
pub(super) struct Filters {
    /// Names the instance's tables.
    tag: String,
    bridge: String,
    state: Mutex<State>,
    /// Held while the packet filter is told, without the state: others go on meanwhile.
    applying: Mutex<()>,
}

#[derive(Default)]
struct State {
    wanted: BTreeMap<Ipv4Addr, Filter>,
    /// Addresses that nobody has, with rules that still stand.
    stale: BTreeSet<Ipv4Addr>,
    /// Changes so far, and how many of them the packet filter has.
    changed: u64,
    applied: u64,
}

impl Filters {
    pub(super) fn new(tag: &str, bridge: String) -> Self {
        let (state, applying) = (Mutex::default(), Mutex::default());
        Self { tag: tag.to_owned(), bridge, state, applying }
    }

    /// Sets who may reach addresses and whom they may reach; none is everybody.
    pub(super) fn set(
        &self,
        all: impl IntoIterator<Item = (Ipv4Addr, Option<Filter>)>,
    ) -> Result<(), Failure> {
        let mut state = self.state.lock();
        for (address, filter) in all {
            state.changed += u64::from(state.wanted.get(&address) != filter.as_ref());
            match filter {
                Some(filter) => state.wanted.insert(address, filter),
                None => state.wanted.remove(&address),
            };
        }
        let (applied, changed) = (state.applied, state.changed);
        drop(state);
        if applied < changed { self.apply(changed) } else { Ok(()) }
    }

    /// An address begins with its filter, or without the one of a former sandbox.
    pub(super) fn begin(&self, address: Ipv4Addr, filter: Option<&Filter>) -> Result<(), Failure> {
        let mut state = self.state.lock();
        match filter {
            Some(filter) => drop(state.wanted.insert(address, filter.clone())),
            None if state.stale.contains(&address) => {}
            None => return Ok(()),
        }
        state.changed += 1;
        let changed = state.changed;
        drop(state);
        self.apply(changed)
    }

    /// The address is free again. Its rules stand until others are set: they harm nobody while
    /// nobody has it.
    pub(super) fn end(&self, address: Ipv4Addr) {
        let mut state = self.state.lock();
        if state.wanted.remove(&address).is_some() {
            state.stale.insert(address);
        }
    }

    /// Hands the packet filter all changes up to one, and what came meanwhile: those that begin
    /// together share a run of it.
    fn apply(&self, change: u64) -> Result<(), Failure> {
        let _turn = self.applying.lock();
        let (wanted, gone, changed) = {
            let state = self.state.lock();
            if state.applied >= change {
                return Ok(()); // another has taken it along
            }
            let is_gone = |address: &&Ipv4Addr| !state.wanted.contains_key(*address);
            let gone: BTreeSet<_> = state.stale.iter().filter(is_gone).copied().collect();
            (state.wanted.clone(), gone, state.changed)
        };
        Firewall.filter((&self.tag, &self.bridge), &wanted)?;
        let mut state = self.state.lock();
        state.applied = changed;
        state.stale.retain(|address| !gone.contains(address));
        Ok(())
    }
}
