//! Security groups and their rules.

use std::collections::BTreeMap;

use haar_ec2_contract::{
    IpPermission, IpRange, Ipv6Range, PrefixListId, ReferencedSecurityGroup,
    RevokedSecurityGroupRule, SecurityGroup, SecurityGroupRule, UserIdGroupPair,
};
use haar_ledger::Snapshot;

use crate::rules::wire_tags;
use crate::state::{Peer, Resource as _, RuleRow, SecurityGroupRow, Traffic};

pub(crate) fn security_group(snapshot: &Snapshot, row: &SecurityGroupRow) -> SecurityGroup {
    SecurityGroup {
        group_id: Some(row.id().to_owned()),
        ip_permissions_egress: Some(permissions(snapshot, row.id(), true)),
        tags: wire_tags(&row.tags),
        vpc_id: Some(row.vpc.clone()),
        security_group_arn: Some(row.arn()),
        owner_id: Some(row.owner()),
        group_name: Some(row.name.clone()),
        description: Some(row.description.clone()),
        ip_permissions: Some(permissions(snapshot, row.id(), false)),
    }
}

/// A group's rules of one direction, those for the same traffic together.
fn permissions(snapshot: &Snapshot, group: &str, is_egress: bool) -> Vec<IpPermission> {
    let mut by_traffic: BTreeMap<Traffic, IpPermission> = BTreeMap::new();
    for rule in snapshot.by_index::<RuleRow>("group", group) {
        if rule.is_egress == is_egress {
            let permission =
                by_traffic.entry(rule.traffic.clone()).or_insert_with(|| empty(&rule.traffic));
            add_peer(permission, &rule);
        }
    }
    by_traffic.into_values().collect()
}

/// One rule as a permission by itself.
pub(crate) fn permission_of(rule: &RuleRow) -> IpPermission {
    let mut permission = empty(&rule.traffic);
    add_peer(&mut permission, rule);
    permission
}

fn empty(traffic: &Traffic) -> IpPermission {
    IpPermission {
        ip_protocol: Some(traffic.protocol.clone()),
        from_port: traffic.ports.map(|ports| ports.0),
        to_port: traffic.ports.map(|ports| ports.1),
        user_id_group_pairs: Some(Vec::new()),
        ip_ranges: Some(Vec::new()),
        ipv6_ranges: Some(Vec::new()),
        prefix_list_ids: Some(Vec::new()),
    }
}

fn add_peer(permission: &mut IpPermission, rule: &RuleRow) {
    let description = rule.description.clone();
    match &rule.peer {
        Peer::Ipv4(text) => permission
            .ip_ranges
            .get_or_insert_default()
            .push(IpRange { description, cidr_ip: Some(text.clone()) }),
        Peer::Ipv6(text) => permission
            .ipv6_ranges
            .get_or_insert_default()
            .push(Ipv6Range { description, cidr_ipv6: Some(text.clone()) }),
        Peer::PrefixList(id) => permission
            .prefix_list_ids
            .get_or_insert_default()
            .push(PrefixListId { description, prefix_list_id: Some(id.clone()) }),
        Peer::Group(id) => {
            permission.user_id_group_pairs.get_or_insert_default().push(UserIdGroupPair {
                description,
                user_id: Some(rule.owner()),
                group_id: Some(id.clone()),
                ..UserIdGroupPair::default()
            });
        }
    }
}

/// A rule as who adds it is told of it: tags that it has not are left out.
pub(crate) fn added_rule(row: &RuleRow) -> SecurityGroupRule {
    let shown = rule(row);
    SecurityGroupRule { tags: shown.tags.filter(|tags| !tags.is_empty()), ..shown }
}

pub(crate) fn rule(row: &RuleRow) -> SecurityGroupRule {
    let (from_port, to_port) = row.traffic.ports.unwrap_or((-1, -1));
    let mut out = SecurityGroupRule {
        security_group_rule_id: Some(row.id().to_owned()),
        group_id: Some(row.group.clone()),
        group_owner_id: Some(row.owner()),
        is_egress: Some(row.is_egress),
        ip_protocol: Some(row.traffic.protocol.clone()),
        from_port: Some(from_port),
        to_port: Some(to_port),
        description: row.description.clone(),
        tags: wire_tags(&row.tags),
        security_group_rule_arn: Some(row.arn()),
        ..SecurityGroupRule::default()
    };
    match &row.peer {
        Peer::Ipv4(text) => out.cidr_ipv4 = Some(text.clone()),
        Peer::Ipv6(text) => out.cidr_ipv6 = Some(text.clone()),
        Peer::PrefixList(id) => out.prefix_list_id = Some(id.clone()),
        Peer::Group(id) => {
            out.referenced_group_info = Some(ReferencedSecurityGroup {
                group_id: Some(id.clone()),
                user_id: Some(row.owner()),
                ..ReferencedSecurityGroup::default()
            });
        }
    }
    out
}

pub(crate) fn revoked(row: &RuleRow) -> RevokedSecurityGroupRule {
    let rule = rule(row);
    RevokedSecurityGroupRule {
        security_group_rule_id: rule.security_group_rule_id,
        group_id: rule.group_id,
        is_egress: rule.is_egress,
        ip_protocol: rule.ip_protocol,
        from_port: rule.from_port,
        to_port: rule.to_port,
        cidr_ipv4: rule.cidr_ipv4,
        cidr_ipv6: rule.cidr_ipv6,
        prefix_list_id: rule.prefix_list_id,
        referenced_group_id: rule.referenced_group_info.and_then(|group| group.group_id),
        description: rule.description,
    }
}

/// A rule as messages name it: `peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW`.
pub(crate) fn tell_traffic(traffic: &Traffic, peer: &Peer) -> String {
    let peer = peer.text();
    match (traffic.protocol.as_str(), traffic.ports) {
        ("-1", _) => format!("peer: {peer}, ALL, ALLOW"),
        (protocol @ ("icmp" | "icmpv6"), Some((kind, code))) => {
            let protocol = protocol.to_uppercase();
            format!("peer: {peer}, {protocol}, type: {kind}, code: {code}, ALLOW")
        }
        (protocol, Some((from, to))) => {
            let protocol = protocol.to_uppercase();
            format!("peer: {peer}, {protocol}, from port: {from}, to port: {to}, ALLOW")
        }
        (protocol, None) => format!("peer: {peer}, {}, ALLOW", protocol.to_uppercase()),
    }
}
