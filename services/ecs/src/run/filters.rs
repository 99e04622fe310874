//! Security groups as filters of tasks' traffic.

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_ec2_contract::peek::{Allowed, AllowedPeer, Place};
use haar_ledger::Snapshot;
use haar_substrate::{Filter, FilterRule, Peer, RuleProtocol, SandboxId, SubstrateError};
use parking_lot::Mutex;

use crate::Ecs;
use crate::state::{TaskKey, TaskRow, TaskStatus, sandbox_name};

/// What each running task's sandbox was last told. A process that has just begun knows of none,
/// and tells all of them again.
#[derive(Default)]
pub(crate) struct Filters(Mutex<BTreeMap<TaskKey, Arc<Filter>>>);

impl Filters {
    /// A task's sandbox is made with this filter.
    pub(crate) fn begins(&self, key: &TaskKey, filter: &Filter) {
        self.0.lock().insert(key.clone(), Arc::new(filter.clone()));
    }

    /// Whether a task's sandbox has this filter.
    fn has(&self, key: &TaskKey, filter: &Filter) -> bool {
        self.0.lock().get(key).is_some_and(|known| **known == *filter)
    }

    /// Remembers what was told, and forgets tasks that do not run.
    fn note(&self, told: &[Lagging], snapshot: &Snapshot) {
        let mut known = self.0.lock();
        for (filter, tasks) in told {
            known.extend(tasks.iter().map(|key| (key.clone(), Arc::clone(filter))));
        }
        known.retain(|key, _| snapshot.get::<TaskRow>(key).is_some_and(|row| lasts(&row)));
    }
}

/// A task that has a sandbox, or is about to.
fn lasts(row: &TaskRow) -> bool {
    row.last_status < TaskStatus::Stopping
}

/// A task whose sandbox is there.
fn runs(row: &TaskRow) -> bool {
    row.is_made && lasts(row)
}

/// A filter, and the tasks whose sandboxes shall have it.
pub(crate) type Lagging = (Arc<Filter>, Vec<TaskKey>);

impl Ecs {
    /// What a task's security groups let through now; `None`: all passes, here.
    pub(crate) fn filter(&self, snapshot: &Snapshot, row: &TaskRow) -> Option<Filter> {
        if !self.doors.substrate.capabilities().filters_traffic {
            return None;
        }
        let (place, groups) = self.groups(snapshot, row)?;
        Some(self.filter_of(snapshot, &place, &groups))
    }

    /// The running tasks whose sandboxes have another filter than they shall.
    pub(crate) fn lagging(&self, snapshot: &Snapshot) -> Vec<Lagging> {
        if !self.doors.substrate.capabilities().filters_traffic {
            return Vec::new();
        }
        // tasks with the same groups have the same filter: it is made once
        let mut made: BTreeMap<(Place, Vec<String>), Lagging> = BTreeMap::new();
        for row in snapshot.by_index_prefix::<TaskRow>("alive", "") {
            if !runs(&row) {
                continue;
            }
            let Some((place, groups)) = self.groups(snapshot, &row) else { continue };
            let (filter, tasks) = made.entry((place, groups)).or_insert_with_key(|of| {
                (Arc::new(self.filter_of(snapshot, &of.0, &of.1)), Vec::new())
            });
            if !self.filters.has(&row.key, filter) {
                tasks.push(row.key.clone());
            }
        }
        made.into_values().filter(|(_, tasks)| !tasks.is_empty()).collect()
    }

    /// Tells the sandboxes that lag behind.
    pub(crate) async fn tell_filters(&self, snapshot: &Snapshot) -> Result<(), SubstrateError> {
        let lagging = self.lagging(snapshot);
        let id = |key: &TaskKey| SandboxId(sandbox_name(key));
        let all = lagging
            .iter()
            .map(|(filter, tasks)| (Filter::clone(filter), tasks.iter().map(id).collect()));
        self.doors.substrate.filter_all(all.collect()).await?;
        self.filters.note(&lagging, snapshot);
        Ok(())
    }

    fn groups(&self, snapshot: &Snapshot, row: &TaskRow) -> Option<(Place, Vec<String>)> {
        let place = Place::new(&row.key.cluster.account, &row.key.cluster.region);
        let interface = row.interface.as_ref()?;
        let interface = self.networks().interface(snapshot, &place, &interface.eni_id)?;
        Some((place, interface.security_group_ids))
    }

    fn filter_of(&self, snapshot: &Snapshot, place: &Place, groups: &[String]) -> Filter {
        let rules = self.networks().rules(snapshot, place, groups);
        let groups = groups.to_vec();
        Filter { groups, ingress: merged(&rules.ingress), egress: merged(&rules.egress) }
    }
}

/// One rule per kind of traffic, with all its peers.
fn merged(allowed: &[Allowed]) -> Vec<FilterRule> {
    let mut rules: Vec<FilterRule> = Vec::new();
    for one in allowed {
        let Some(protocol) = protocol(one) else { continue };
        if rules.last().is_none_or(|last| last.protocol != protocol) {
            rules.push(FilterRule { protocol, peers: Vec::new(), groups: Vec::new() });
        }
        let Some(rule) = rules.last_mut() else { continue };
        match &one.peer {
            AllowedPeer::Range(range) => {
                rule.peers.push(Peer { address: range.first, prefix: range.prefix });
            }
            AllowedPeer::Group(id) => rule.groups.push(id.clone()),
        }
    }
    rules
}

/// Protocols that the substrate cannot tell are let through with none.
fn protocol(allowed: &Allowed) -> Option<RuleProtocol> {
    let port = |number: i32| u16::try_from(number.max(0)).unwrap_or(u16::MAX);
    let (low, high) = allowed.ports.map_or((0, u16::MAX), |(low, high)| (port(low), port(high)));
    match allowed.protocol {
        None => Some(RuleProtocol::Any),
        Some(1) => Some(RuleProtocol::Icmp),
        Some(6) => Some(RuleProtocol::Tcp(low, high)),
        Some(17) => Some(RuleProtocol::Udp(low, high)),
        Some(_) => None,
    }
}
