//! Security groups.

use std::sync::Arc;

use haar_ec2_contract::peek::Place;
use haar_ec2_contract::{
    CreateSecurityGroup, CreateSecurityGroupRequest, CreateSecurityGroupResult,
    DeleteSecurityGroup, DeleteSecurityGroupRequest, DeleteSecurityGroupResult,
    DescribeSecurityGroupReferences, DescribeSecurityGroupReferencesRequest,
    DescribeSecurityGroupReferencesResult, DescribeSecurityGroups, DescribeSecurityGroupsRequest,
    DescribeSecurityGroupsResult, GetSecurityGroupsForVpc, GetSecurityGroupsForVpcRequest,
    GetSecurityGroupsForVpcResult, ResourceType, SecurityGroupForVpc,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use crate::listing::{Ask, describe, place_of};
use crate::refusal::{invalid, missing, refuse};
use crate::rules::{mint, specified_tags, wire_tags};
use crate::state::{
    EndpointRow, InterfaceRow, Peer, Resource, RuleRow, SecurityGroupRow, VpcRow, key_of, rows_of,
};
use crate::world::{default_vpc, rule, seen, settle};
use crate::{Ec2, render};

/// Letters of a name and of a description at most.
const NAME_MAX: usize = 255;

impl Command<CreateSecurityGroup> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateSecurityGroupRequest,
    ) -> Answer<CreateSecurityGroup> {
        let place = place_of(call);
        settle(tx, &place);
        let tags = specified_tags(input.tag_specifications, ResourceType::SecurityGroup)?;
        check_words(
            &input.group_name,
            "groupName",
            "Character sets beyond ASCII are not supported.",
        )?;
        check_words(
            &input.description,
            "GroupDescription",
            "Character sets beyond ASCII are not supported.",
        )?;
        if input.group_name == "default" {
            let text = "Cannot use reserved security group name: default";
            return Err(invalid(text));
        }
        if input.group_name.starts_with("sg-") {
            let text = "Invalid security group name: group names may not be in the format sg-*.";
            return Err(invalid(text));
        }
        let vpc = match &input.vpc_id {
            Some(id) => VpcRow::find(tx, &place, id)?,
            None => default_vpc(tx, &place).ok_or_else(no_default_vpc)?,
        };
        let mut others = tx.by_index::<SecurityGroupRow>("vpc", vpc.id());
        if others.any(|other| other.name == input.group_name) {
            let (name, vpc) = (&input.group_name, vpc.id());
            let text = format!("The security group '{name}' already exists for VPC '{vpc}'");
            return Err(refuse("InvalidGroup.Duplicate", text));
        }
        drop(others);
        let row = SecurityGroupRow {
            key: key_of(&place, &mint(&call.ids, "sg")),
            name: input.group_name,
            description: input.description,
            vpc: vpc.id().to_owned(),
            tags,
        };
        let everywhere = Peer::Ipv4("0.0.0.0/0".to_owned());
        tx.put(rule(&place, &mint(&call.ids, "sgr"), row.id(), true, everywhere));
        let output = CreateSecurityGroupResult {
            group_id: Some(row.id().to_owned()),
            tags: wire_tags(&row.tags),
            security_group_arn: Some(row.arn()),
        };
        tx.put(row);
        Ok(output)
    }
}

pub(super) fn no_default_vpc() -> AwsError {
    refuse("VPCIdNotSpecified", "No default VPC for this user")
}

fn check_words(text: &str, name: &str, ascii: &str) -> Result<(), AwsError> {
    if text.is_empty() {
        return Err(missing(name));
    }
    if text.chars().count() > NAME_MAX {
        let text =
            format!("Invalid value for {name}. The maximum length is {NAME_MAX} characters.");
        return Err(invalid(text));
    }
    if !text.is_ascii() {
        return Err(invalid(format!("Value ({text}) for parameter {name} is invalid. {ascii}")));
    }
    Ok(())
}

/// The group that a request names by id, or by name in the default VPC.
pub(super) fn find_group(
    snapshot: &Snapshot,
    place: &Place,
    id: Option<&str>,
    name: Option<&str>,
) -> Result<Arc<SecurityGroupRow>, AwsError> {
    match (id, name) {
        (Some(id), _) if !id.starts_with("sg-") => {
            let text = format!("Invalid id: \"{id}\" (expecting \"sg-...\")");
            Err(refuse("InvalidGroupId.Malformed", text))
        }
        (Some(id), _) => SecurityGroupRow::find(snapshot, place, id),
        (None, Some(name)) => {
            let vpc = default_vpc(snapshot, place).ok_or_else(no_default_vpc)?;
            let mut groups = snapshot.by_index::<SecurityGroupRow>("vpc", vpc.id());
            let found = groups.find(|group| group.name == name);
            let text = || {
                format!("The security group '{name}' does not exist in default VPC '{}'", vpc.id())
            };
            found.ok_or_else(|| refuse(SecurityGroupRow::MISSING, text()))
        }
        (None, None) => Err(missing("groupName or groupId")),
    }
}

impl Command<DeleteSecurityGroup> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteSecurityGroupRequest,
    ) -> Answer<DeleteSecurityGroup> {
        let place = place_of(call);
        settle(tx, &place);
        let row = find_group(tx, &place, input.group_id.as_deref(), input.group_name.as_deref())?;
        let id = row.id();
        if row.name == "default" {
            let text = format!(
                "the specified group: \"{id}\" name: \"default\" cannot be deleted by a user"
            );
            return Err(refuse("CannotDelete", text));
        }
        let referred = tx.by_index::<RuleRow>("peer", id).any(|rule| rule.group != id);
        let used = tx.by_index::<InterfaceRow>("group", id).next().is_some()
            || tx.by_index::<EndpointRow>("group", id).next().is_some();
        if referred || used {
            let text = format!("resource {id} has a dependent object");
            return Err(refuse("DependencyViolation", text));
        }
        let rules: Vec<_> = tx.by_index::<RuleRow>("group", id).collect();
        for rule in rules {
            tx.remove::<RuleRow>(&rule.key);
        }
        tx.remove::<SecurityGroupRow>(&row.key);
        Ok(DeleteSecurityGroupResult { r#return: Some(true), group_id: Some(id.to_owned()) })
    }
}

impl Query<DescribeSecurityGroups> for Ec2 {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeSecurityGroupsRequest,
    ) -> Answer<DescribeSecurityGroups> {
        let place = place_of(call);
        let snapshot = &seen(snapshot, &place);
        let mut ids = input.group_ids.unwrap_or_default();
        for id in &ids {
            find_group(snapshot, &place, Some(id), None)?;
        }
        for name in input.group_names.unwrap_or_default() {
            ids.push(find_group(snapshot, &place, None, Some(&name))?.id().to_owned());
        }
        let ask = Ask {
            ids,
            filters: input.filters,
            max_results: input.max_results,
            next_token: input.next_token,
            whole: false,
        };
        let says = |row: &SecurityGroupRow, name: &str| says(snapshot, row, name);
        let page = describe(snapshot, &place, ask, says)?;
        let groups = page.items.iter().map(|row| render::security_group(snapshot, row));
        Ok(DescribeSecurityGroupsResult {
            next_token: page.next,
            security_groups: Some(groups.collect()),
        })
    }
}

fn says(snapshot: &Snapshot, row: &SecurityGroupRow, name: &str) -> Option<Vec<String>> {
    let own = match name {
        "description" => row.description.clone(),
        "group-id" => row.id().to_owned(),
        "group-name" => row.name.clone(),
        "owner-id" => row.owner(),
        "vpc-id" => row.vpc.clone(),
        _ => {
            let (is_egress, name) = match name.strip_prefix("egress.ip-permission.") {
                Some(name) => (true, name),
                None => (false, name.strip_prefix("ip-permission.")?),
            };
            let rules = snapshot.by_index::<RuleRow>("group", row.id());
            let rules: Vec<_> = rules.filter(|rule| rule.is_egress == is_egress).collect();
            return rules.iter().map(|rule| permission_says(snapshot, rule, name)).try_fold(
                known(name)?,
                |mut all, values| {
                    all.extend(values?);
                    Some(all)
                },
            );
        }
    };
    Some(vec![own])
}

/// Nothing yet, for a name that a group's rules know.
fn known(name: &str) -> Option<Vec<String>> {
    let names = [
        "cidr",
        "from-port",
        "group-id",
        "group-name",
        "ipv6-cidr",
        "prefix-list-id",
        "protocol",
        "to-port",
        "user-id",
    ];
    names.contains(&name).then(Vec::new)
}

fn permission_says(snapshot: &Snapshot, rule: &RuleRow, name: &str) -> Option<Vec<String>> {
    let ports = rule.traffic.ports;
    let value = match (name, &rule.peer) {
        ("cidr", Peer::Ipv4(text))
        | ("ipv6-cidr", Peer::Ipv6(text))
        | ("prefix-list-id", Peer::PrefixList(text))
        | ("group-id", Peer::Group(text)) => Some(text.clone()),
        ("group-name", Peer::Group(id)) => {
            let group = snapshot.get::<SecurityGroupRow>(&key_of(&rule.place(), id));
            group.map(|group| group.name.clone())
        }
        ("user-id", Peer::Group(_)) => Some(rule.owner()),
        ("protocol", _) => Some(rule.traffic.protocol.clone()),
        ("from-port", _) => ports.map(|ports| ports.0.to_string()),
        ("to-port", _) => ports.map(|ports| ports.1.to_string()),
        _ => None,
    };
    Some(value.into_iter().collect())
}

impl Query<DescribeSecurityGroupReferences> for Ec2 {
    /// References from peered VPCs; haar has no peering, so there are none.
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeSecurityGroupReferencesRequest,
    ) -> Answer<DescribeSecurityGroupReferences> {
        let place = place_of(call);
        let snapshot = seen(snapshot, &place);
        for id in &input.group_id {
            find_group(&snapshot, &place, Some(id), None)?;
        }
        let security_group_reference_set = Some(Vec::new());
        Ok(DescribeSecurityGroupReferencesResult { security_group_reference_set })
    }
}

impl Query<GetSecurityGroupsForVpc> for Ec2 {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetSecurityGroupsForVpcRequest,
    ) -> Answer<GetSecurityGroupsForVpc> {
        let place = place_of(call);
        let snapshot = &seen(snapshot, &place);
        let vpc = VpcRow::find(snapshot, &place, &input.vpc_id)?;
        let others = rows_of::<SecurityGroupRow>(snapshot, &place);
        let ids = others.filter(|group| group.vpc == vpc.id()).map(|group| group.id().to_owned());
        let ask = Ask { ids: ids.collect(), filters: input.filters, whole: true, ..Ask::default() };
        let says = |row: &SecurityGroupRow, name: &str| match name {
            "primary-vpc-id" => Some(vec![row.vpc.clone()]),
            _ => says(snapshot, row, name),
        };
        let page = describe(snapshot, &place, ask, says)?;
        let scope = format!("GetSecurityGroupsForVpc/{}", vpc.id());
        let key = |row: &Arc<SecurityGroupRow>| row.id().to_owned();
        let page =
            crate::listing::cut(page.items, &scope, input.max_results, input.next_token, key)?;
        let group = |row: &Arc<SecurityGroupRow>| SecurityGroupForVpc {
            description: Some(row.description.clone()),
            group_name: Some(row.name.clone()),
            owner_id: Some(row.owner()),
            group_id: Some(row.id().to_owned()),
            tags: wire_tags(&row.tags),
            primary_vpc_id: Some(row.vpc.clone()),
        };
        Ok(GetSecurityGroupsForVpcResult {
            next_token: page.next,
            security_group_for_vpcs: Some(page.items.iter().map(group).collect()),
        })
    }
}
