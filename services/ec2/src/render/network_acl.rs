//! Network ACLs.

use haar_ec2_contract::{
    IcmpTypeCode, NetworkAcl, NetworkAclAssociation, NetworkAclEntry, PortRange, RuleAction,
};

use crate::rules::wire_tags;
use crate::state::{AclEntry, NetworkAclRow, Resource as _};

/// The number of the entries that deny what no other entry matched.
const LAST: i32 = 32767;

pub(crate) fn network_acl(row: &NetworkAclRow) -> NetworkAcl {
    let associations = row.associations.iter();
    let associations = associations.map(|(id, subnet)| NetworkAclAssociation {
        network_acl_association_id: Some(id.clone()),
        network_acl_id: Some(row.id().to_owned()),
        subnet_id: Some(subnet.clone()),
    });
    NetworkAcl {
        associations: Some(associations.collect()),
        entries: Some(entries(row).iter().map(entry).collect()),
        is_default: Some(row.is_default),
        network_acl_id: Some(row.id().to_owned()),
        tags: wire_tags(&row.tags),
        vpc_id: Some(row.vpc.clone()),
        owner_id: Some(row.owner()),
    }
}

/// All entries in the order that AWS shows them, with those that deny at the end of each side.
fn entries(row: &NetworkAclRow) -> Vec<AclEntry> {
    let mut all = row.entries.clone();
    all.extend([true, false].map(|is_egress| AclEntry {
        number: LAST,
        is_egress,
        protocol: "-1".to_owned(),
        allows: false,
        ipv4: Some("0.0.0.0/0".to_owned()),
        ipv6: None,
        ports: None,
        icmp: None,
    }));
    all.sort_by_key(|entry| (!entry.is_egress, entry.number));
    all
}

/// Whether any entry of an ACL is as a filter wants it.
pub(crate) fn entry_fits(
    row: &NetworkAclRow,
    show: impl Fn(&AclEntry) -> Option<String>,
) -> Vec<String> {
    entries(row).iter().filter_map(show).collect()
}

fn entry(row: &AclEntry) -> NetworkAclEntry {
    let action = if row.allows { RuleAction::Allow } else { RuleAction::Deny };
    let range = |(from, to)| PortRange { from: Some(from), to: Some(to) };
    let icmp = |(kind, code)| IcmpTypeCode { code: Some(code), r#type: Some(kind) };
    NetworkAclEntry {
        cidr_block: row.ipv4.clone(),
        egress: Some(row.is_egress),
        icmp_type_code: row.icmp.map(icmp),
        ipv6_cidr_block: row.ipv6.clone(),
        port_range: row.ports.map(range),
        protocol: Some(row.protocol.clone()),
        rule_action: Some(action),
        rule_number: Some(row.number),
    }
}
