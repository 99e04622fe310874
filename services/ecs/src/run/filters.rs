//! Security groups as filters of tasks' traffic.

use haar_ec2_contract::peek::{Allowed, Place};
use haar_ledger::Snapshot;
use haar_substrate::{Filter, FilterRule, Peer, RuleProtocol};

use crate::Ecs;
use crate::state::TaskRow;

impl Ecs {
    /// What a task's security groups let through now.
    pub(crate) fn filter(&self, snapshot: &Snapshot, row: &TaskRow) -> Option<Filter> {
        let place = Place::new(&row.key.cluster.account, &row.key.cluster.region);
        let networks = self.networks();
        let interface = networks.interface(snapshot, &place, &row.interface.as_ref()?.eni_id)?;
        let rules = networks.rules(snapshot, &place, &interface.security_group_ids);
        Some(Filter {
            ingress: rules.ingress.iter().filter_map(rule).collect(),
            egress: rules.egress.iter().filter_map(rule).collect(),
        })
    }
}

/// Protocols that the substrate cannot tell are let through with none.
fn rule(allowed: &Allowed) -> Option<FilterRule> {
    let port = |number: i32| u16::try_from(number.max(0)).unwrap_or(u16::MAX);
    let (low, high) = allowed.ports.map_or((0, u16::MAX), |(low, high)| (port(low), port(high)));
    let protocol = match allowed.protocol {
        None => RuleProtocol::Any,
        Some(1) => RuleProtocol::Icmp,
        Some(6) => RuleProtocol::Tcp(low, high),
        Some(17) => RuleProtocol::Udp(low, high),
        Some(_) => return None,
    };
    let peer = Peer { address: allowed.range.first, prefix: allowed.range.prefix };
    Some(FilterRule { protocol, peers: vec![peer] })
}
