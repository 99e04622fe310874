//! Which filters addresses have and where they are, and when the packet filter is told.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use haar_substrate::Filter;
use parking_lot::Mutex;

use super::homes::{Home, Homes};
use super::log;
use super::nft::{self, Firewall};
use super::rules::Book;
use crate::proto::Failure;

/// The filters of one instance's addresses.
pub(super) struct Filters {
    pub(super) firewall: Firewall,
    state: Mutex<State>,
    /// What the packet filter has; none where that is not known. Held while it is told, without
    /// the state: others go on meanwhile.
    told: Mutex<Option<Told>>,
}

/// What the packet filter has.
#[derive(Default)]
struct Told {
    book: Book,
    homes: Homes,
}

#[derive(Default)]
struct State {
    wanted: BTreeMap<Ipv4Addr, Filter>,
    homes: BTreeMap<Ipv4Addr, Home>,
    pending: Pending,
    /// Changes so far that somebody waits for, and how many of them the packet filter has.
    changed: u64,
    applied: u64,
}

/// What the packet filter has not been told yet.
#[derive(Default)]
struct Pending {
    filters: BTreeMap<Ipv4Addr, Option<Filter>>,
    homes: BTreeMap<Ipv4Addr, Option<Home>>,
}

impl Filters {
    pub(super) fn new(tag: &str, bridge: String) -> Self {
        let (state, told) = (Mutex::default(), Mutex::default());
        Self { firewall: Firewall::new(tag, bridge), state, told }
    }

    /// Sets who may reach addresses and whom they may reach; none is everybody.
    pub(super) fn set(
        &self,
        all: impl IntoIterator<Item = (Ipv4Addr, Option<Filter>)>,
    ) -> Result<(), Failure> {
        let mut state = self.state.lock();
        for (address, filter) in all {
            if state.wanted.get(&address) != filter.as_ref() {
                state.want(address, filter);
                state.changed += 1;
            }
        }
        let (applied, changed) = (state.applied, state.changed);
        drop(state);
        if applied < changed { self.apply(changed) } else { Ok(()) }
    }

    /// An address begins at its home, with its filter or without the one of a former sandbox.
    pub(super) fn begin(
        &self,
        address: Ipv4Addr,
        home: Home,
        filter: Option<&Filter>,
    ) -> Result<(), Failure> {
        let mut state = self.state.lock();
        let is_filtered = filter.is_some() || state.pending.filters.contains_key(&address);
        state.settle(address, Some(home));
        if let Some(filter) = filter {
            state.want(address, Some(filter.clone()));
        }
        state.changed += 1;
        let changed = state.changed;
        drop(state);
        match self.apply(changed) {
            Err(_) if !is_filtered && !nft::is_there() => Ok(()), // a kernel that filters nothing
            applied => applied,
        }
    }

    /// The address is free again. Its rules stand until others are set: they harm nobody while
    /// nobody has it.
    pub(super) fn end(&self, address: Ipv4Addr) {
        let mut state = self.state.lock();
        state.settle(address, None);
        if state.wanted.contains_key(&address) {
            state.want(address, None);
        }
    }

    /// Hands the packet filter all changes up to one, and what came meanwhile: those that begin
    /// together are told together.
    fn apply(&self, change: u64) -> Result<(), Failure> {
        let mut told = self.told.lock();
        let (pending, changed) = {
            let mut state = self.state.lock();
            if state.applied >= change {
                return Ok(()); // another has taken it along
            }
            (std::mem::take(&mut state.pending), state.changed)
        };
        let done = match told.take() {
            Some(before) => self.tell(before, &pending, false).or_else(|error| {
                // somebody else may have removed the table
                log(&format!("the packet filter is told anew: {error}"));
                self.tell_all()
            }),
            None => self.tell_all(),
        };
        *told = Some(done.map_err(|error| unfiltered(&error))?);
        self.state.lock().applied = changed;
        Ok(())
    }

    fn tell(&self, mut told: Told, pending: &Pending, anew: bool) -> std::io::Result<Told> {
        let mut changes = Vec::new();
        for (address, home) in &pending.homes {
            changes.extend(told.homes.place(*address, home.as_ref()));
        }
        for (address, filter) in &pending.filters {
            changes.extend(told.book.place(*address, filter.as_ref()));
        }
        changes.extend(told.book.tidy());
        if anew || !changes.is_empty() {
            self.firewall.filter(&changes, anew)?;
        }
        Ok(told)
    }

    fn tell_all(&self) -> std::io::Result<Told> {
        let (wanted, homes) = {
            let state = self.state.lock();
            (state.wanted.clone(), state.homes.clone())
        };
        let filters = wanted.into_iter().map(|(address, filter)| (address, Some(filter))).collect();
        let homes = homes.into_iter().map(|(address, home)| (address, Some(home))).collect();
        self.tell(Told::default(), &Pending { filters, homes }, true)
    }
}

impl State {
    fn want(&mut self, address: Ipv4Addr, filter: Option<Filter>) {
        self.pending.filters.insert(address, filter.clone());
        match filter {
            Some(filter) => self.wanted.insert(address, filter),
            None => self.wanted.remove(&address),
        };
    }

    fn settle(&mut self, address: Ipv4Addr, home: Option<Home>) {
        self.pending.homes.insert(address, home.clone());
        match home {
            Some(home) => self.homes.insert(address, home),
            None => self.homes.remove(&address),
        };
    }
}

fn unfiltered(error: &std::io::Error) -> Failure {
    Failure::Unsupported(match nft::is_there() {
        true => format!("traffic on the bridge cannot be filtered: {error}"),
        false => "traffic cannot be filtered: the kernel has no nf_tables".to_owned(),
    })
}
