//! Network ACLs: kept and shown as they are; haar filters by security groups alone.

use std::sync::Arc;

use haar_ec2_contract::peek::Place;
use haar_ec2_contract::{
    CreateNetworkAcl, CreateNetworkAclEntry, CreateNetworkAclEntryOutput,
    CreateNetworkAclEntryRequest, CreateNetworkAclRequest, CreateNetworkAclResult,
    DeleteNetworkAcl, DeleteNetworkAclEntry, DeleteNetworkAclEntryOutput,
    DeleteNetworkAclEntryRequest, DeleteNetworkAclOutput, DeleteNetworkAclRequest,
    DescribeNetworkAcls, DescribeNetworkAclsRequest, DescribeNetworkAclsResult, IcmpTypeCode,
    PortRange, ReplaceNetworkAclAssociation, ReplaceNetworkAclAssociationRequest,
    ReplaceNetworkAclAssociationResult, ReplaceNetworkAclEntry, ReplaceNetworkAclEntryOutput,
    ReplaceNetworkAclEntryRequest, ResourceType, RuleAction,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use crate::listing::{ask, describe, place_of};
use crate::refusal::{dependency, invalid, missing, refuse};
use crate::rules::{flag, mint, parse_ipv4, parse_ipv6, specified_tags};
use crate::state::{AclEntry, NetworkAclRow, Resource, VpcRow, key_of};
use crate::world::{seen, settle};
use crate::{Ec2, render};

/// Entries of an ACL and a direction at most.
const ENTRIES_MAX: usize = 20;
/// Numbers that customers may give.
const NUMBERS: std::ops::RangeInclusive<i32> = 1..=32766;

impl Command<CreateNetworkAcl> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateNetworkAclRequest,
    ) -> Answer<CreateNetworkAcl> {
        let place = place_of(call);
        settle(tx, &place);
        let tags = specified_tags(input.tag_specifications, ResourceType::NetworkAcl)?;
        let vpc = VpcRow::find(tx, &place, &input.vpc_id)?;
        let row = NetworkAclRow {
            key: key_of(&place, &mint(&call.ids, "acl")),
            vpc: vpc.id().to_owned(),
            is_default: false,
            entries: Vec::new(),
            associations: Vec::new(),
            tags,
        };
        let network_acl = Some(render::network_acl(&row));
        tx.put(row);
        Ok(CreateNetworkAclResult { network_acl, client_token: input.client_token })
    }
}

impl Query<DescribeNetworkAcls> for Ec2 {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeNetworkAclsRequest,
    ) -> Answer<DescribeNetworkAcls> {
        let place = place_of(call);
        let snapshot = seen(snapshot, &place);
        let page = describe(&snapshot, &place, ask!(input, network_acl_ids), says)?;
        Ok(DescribeNetworkAclsResult {
            network_acls: Some(page.items.iter().map(|row| render::network_acl(row)).collect()),
            next_token: page.next,
        })
    }
}

fn says(row: &NetworkAclRow, name: &str) -> Option<Vec<String>> {
    let uses = row.associations.iter();
    let entries = |show: fn(&AclEntry) -> Option<String>| render::entry_fits(row, show);
    let action = |entry: &AclEntry| if entry.allows { "allow" } else { "deny" }.to_owned();
    Some(match name {
        "association.association-id" => uses.map(|(id, _)| id.clone()).collect(),
        "association.network-acl-id" => uses.map(|_| row.id().to_owned()).collect(),
        "association.subnet-id" => uses.map(|(_, subnet)| subnet.clone()).collect(),
        "default" => flag(row.is_default),
        "entry.cidr" => entries(|entry| entry.ipv4.clone()),
        "entry.ipv6-cidr" => entries(|entry| entry.ipv6.clone()),
        "entry.egress" => entries(|entry| Some(entry.is_egress.to_string())),
        "entry.icmp.code" => entries(|entry| Some(entry.icmp?.1.to_string())),
        "entry.icmp.type" => entries(|entry| Some(entry.icmp?.0.to_string())),
        "entry.port-range.from" => entries(|entry| Some(entry.ports?.0.to_string())),
        "entry.port-range.to" => entries(|entry| Some(entry.ports?.1.to_string())),
        "entry.protocol" => entries(|entry| Some(entry.protocol.clone())),
        "entry.rule-action" => row.entries.iter().map(action).chain(["deny".to_owned()]).collect(),
        "entry.rule-number" => entries(|entry| Some(entry.number.to_string())),
        "network-acl-id" => vec![row.id().to_owned()],
        "owner-id" => vec![row.owner()],
        "vpc-id" => vec![row.vpc.clone()],
        _ => return None,
    })
}

impl Command<DeleteNetworkAcl> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteNetworkAclRequest,
    ) -> Answer<DeleteNetworkAcl> {
        let place = place_of(call);
        settle(tx, &place);
        let row = NetworkAclRow::find(tx, &place, &input.network_acl_id)?;
        if row.is_default {
            let text = format!("cannot delete default network ACL {}", row.id());
            return Err(invalid(text));
        }
        if !row.associations.is_empty() {
            return Err(dependency("networkAcl", row.id()));
        }
        tx.remove::<NetworkAclRow>(&row.key);
        Ok(DeleteNetworkAclOutput {})
    }
}

/// The members that describe an entry.
struct Wanted {
    number: i32,
    is_egress: bool,
    protocol: String,
    action: RuleAction,
    ipv4: Option<String>,
    ipv6: Option<String>,
    ports: Option<PortRange>,
    icmp: Option<IcmpTypeCode>,
}

impl Wanted {
    fn read(self) -> Result<AclEntry, AwsError> {
        check_number(self.number)?;
        let protocol = protocol_number(&self.protocol)?;
        let malformed = |text: &str| {
            invalid(format!(
                "Value ({text}) for parameter cidrBlock is invalid. This is not a valid CIDR block."
            ))
        };
        let ipv4 = match self.ipv4.filter(|text| !text.is_empty()) {
            Some(text) => Some(parse_ipv4(&text).ok_or_else(|| malformed(&text))?.to_string()),
            None => None,
        };
        let ipv6 = match self.ipv6.filter(|text| !text.is_empty()) {
            Some(text) => Some(parse_ipv6(&text).ok_or_else(|| malformed(&text))?),
            None => None,
        };
        if ipv4.is_none() && ipv6.is_none() {
            return Err(missing("cidrBlock"));
        }
        let ports = self.ports.map(|range| (range.from.unwrap_or(0), range.to.unwrap_or(65535)));
        let icmp = self.icmp.map(|icmp| (icmp.r#type.unwrap_or(-1), icmp.code.unwrap_or(-1)));
        let ports = match protocol.as_str() {
            "6" | "17" => Some(ports.ok_or_else(|| missing("portRange"))?),
            _ => None,
        };
        let icmp = match protocol.as_str() {
            "1" | "58" => Some(icmp.ok_or_else(|| missing("icmpTypeCode"))?),
            _ => None,
        };
        let allows = self.action == RuleAction::Allow;
        let (number, is_egress) = (self.number, self.is_egress);
        Ok(AclEntry { number, is_egress, protocol, allows, ipv4, ipv6, ports, icmp })
    }
}

fn check_number(number: i32) -> Result<(), AwsError> {
    if NUMBERS.contains(&number) {
        return Ok(());
    }
    let text = format!(
        "Value ({number}) for parameter ruleNumber is invalid. Rule number must be \
                        between 1 and 32766"
    );
    Err(invalid(text))
}

/// A protocol by its number; names are taken too.
fn protocol_number(text: &str) -> Result<String, AwsError> {
    let number = match text.to_lowercase().as_str() {
        "tcp" => 6,
        "udp" => 17,
        "icmp" => 1,
        "icmpv6" => 58,
        "all" => -1,
        other => {
            let unknown = || invalid(format!("Invalid value '{text}' for IP protocol."));
            let number: i32 = other.parse().map_err(|_| unknown())?;
            Some(number).filter(|number| (-1..=255).contains(number)).ok_or_else(unknown)?
        }
    };
    Ok(number.to_string())
}

impl Command<CreateNetworkAclEntry> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateNetworkAclEntryRequest,
    ) -> Answer<CreateNetworkAclEntry> {
        let place = place_of(call);
        settle(tx, &place);
        let mut row =
            NetworkAclRow::clone(&*NetworkAclRow::find(tx, &place, &input.network_acl_id)?);
        let wanted = Wanted {
            number: input.rule_number,
            is_egress: input.egress,
            protocol: input.protocol,
            action: input.rule_action,
            ipv4: input.cidr_block,
            ipv6: input.ipv6_cidr_block,
            ports: input.port_range,
            icmp: input.icmp_type_code,
        };
        let entry = wanted.read()?;
        if position(&row, entry.number, entry.is_egress).is_some() {
            let text =
                format!("The network acl entry identified by {} already exists.", entry.number);
            return Err(refuse("NetworkAclEntryAlreadyExists", text));
        }
        let count = row.entries.iter().filter(|known| known.is_egress == entry.is_egress).count();
        if count >= ENTRIES_MAX {
            let text = "The maximum number of network acl entries has been reached.";
            return Err(refuse("NetworkAclEntryLimitExceeded", text));
        }
        row.entries.push(entry);
        tx.put(row);
        Ok(CreateNetworkAclEntryOutput {})
    }
}

fn position(row: &NetworkAclRow, number: i32, is_egress: bool) -> Option<usize> {
    row.entries.iter().position(|entry| (entry.number, entry.is_egress) == (number, is_egress))
}

fn no_entry(number: i32) -> AwsError {
    let text = format!("The network acl entry identified by {number} does not exist.");
    refuse("InvalidNetworkAclEntry.NotFound", text)
}

impl Command<ReplaceNetworkAclEntry> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: ReplaceNetworkAclEntryRequest,
    ) -> Answer<ReplaceNetworkAclEntry> {
        let place = place_of(call);
        settle(tx, &place);
        let mut row =
            NetworkAclRow::clone(&*NetworkAclRow::find(tx, &place, &input.network_acl_id)?);
        let wanted = Wanted {
            number: input.rule_number,
            is_egress: input.egress,
            protocol: input.protocol,
            action: input.rule_action,
            ipv4: input.cidr_block,
            ipv6: input.ipv6_cidr_block,
            ports: input.port_range,
            icmp: input.icmp_type_code,
        };
        let entry = wanted.read()?;
        let at = position(&row, entry.number, entry.is_egress);
        let at = at.ok_or_else(|| no_entry(entry.number))?;
        row.entries[at] = entry;
        tx.put(row);
        Ok(ReplaceNetworkAclEntryOutput {})
    }
}

impl Command<DeleteNetworkAclEntry> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteNetworkAclEntryRequest,
    ) -> Answer<DeleteNetworkAclEntry> {
        let place = place_of(call);
        settle(tx, &place);
        let mut row =
            NetworkAclRow::clone(&*NetworkAclRow::find(tx, &place, &input.network_acl_id)?);
        let at = position(&row, input.rule_number, input.egress);
        row.entries.remove(at.ok_or_else(|| no_entry(input.rule_number))?);
        tx.put(row);
        Ok(DeleteNetworkAclEntryOutput {})
    }
}

/// The ACL that has an association.
pub(super) fn find_associated(
    snapshot: &Snapshot,
    place: &Place,
    id: &str,
) -> Result<Arc<NetworkAclRow>, AwsError> {
    let mut owners = snapshot.by_index::<NetworkAclRow>("association", id);
    let missing = || {
        let text = format!("The association ID '{id}' does not exist");
        refuse("InvalidAssociationID.NotFound", text)
    };
    owners.find(|row| row.place() == *place).ok_or_else(missing)
}

impl Command<ReplaceNetworkAclAssociation> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: ReplaceNetworkAclAssociationRequest,
    ) -> Answer<ReplaceNetworkAclAssociation> {
        let place = place_of(call);
        settle(tx, &place);
        let id = &input.association_id;
        let old = find_associated(tx, &place, id)?;
        let new = NetworkAclRow::find(tx, &place, &input.network_acl_id)?;
        if new.vpc != old.vpc {
            let text = format!(
                "network acl {} and network acl association {id} belong to \
                                different networks",
                new.id()
            );
            return Err(invalid(text));
        }
        let subnet = old.associations.iter().find(|(known, _)| known == id);
        let subnet = subnet.map(|(_, subnet)| subnet.clone()).unwrap_or_default();
        let new_id = mint(&call.ids, "aclassoc");
        tx.update::<NetworkAclRow>(&old.key, |row| {
            row.associations.retain(|(known, _)| known != id)
        });
        let association = (new_id.clone(), subnet);
        tx.update::<NetworkAclRow>(&new.key, |row| row.associations.push(association));
        Ok(ReplaceNetworkAclAssociationResult { new_association_id: Some(new_id) })
    }
}
