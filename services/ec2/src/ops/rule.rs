//! Adding and removing rules of security groups.

use std::sync::Arc;

use haar_ec2_contract::{
    AuthorizeSecurityGroupEgress, AuthorizeSecurityGroupEgressRequest,
    AuthorizeSecurityGroupEgressResult, AuthorizeSecurityGroupIngress,
    AuthorizeSecurityGroupIngressRequest, AuthorizeSecurityGroupIngressResult, IpPermission,
    ResourceType, RevokeSecurityGroupEgress, RevokeSecurityGroupEgressRequest,
    RevokeSecurityGroupEgressResult, RevokeSecurityGroupIngress, RevokeSecurityGroupIngressRequest,
    RevokeSecurityGroupIngressResult,
};
use haar_kernel::{Answer, Call, Command};
use haar_ledger::{Snapshot, Tx};
use haar_types::Tags;
use haar_wire::AwsError;

use super::permissions::{Described, Plain, described};
use super::security_group::find_group;
use crate::listing::place_of;
use crate::refusal::{combination, refuse};
use crate::rules::{mint, specified_tags};
use crate::state::{Resource, RuleRow, SecurityGroupRow, VpcRow, key_of};
use crate::world::settle;
use crate::{Ec2, render};

/// Rules of a group and a direction at most.
const RULES_MAX: usize = 60;

impl Command<AuthorizeSecurityGroupIngress> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: AuthorizeSecurityGroupIngressRequest,
    ) -> Answer<AuthorizeSecurityGroupIngress> {
        let place = place_of(call);
        settle(tx, &place);
        let group = find_group(tx, &place, input.group_id.as_deref(), input.group_name.as_deref())?;
        let tags = specified_tags(input.tag_specifications, ResourceType::SecurityGroupRule)?;
        let plain = Plain {
            ip_protocol: input.ip_protocol,
            from_port: input.from_port,
            to_port: input.to_port,
            cidr_ip: input.cidr_ip,
            source_group_name: input.source_security_group_name,
        };
        let rules = described(tx, &group, input.ip_permissions, plain)?;
        let added = add(call, tx, &group, false, rules, &tags)?;
        Ok(AuthorizeSecurityGroupIngressResult {
            r#return: Some(true),
            security_group_rules: Some(added.iter().map(render::added_rule).collect()),
        })
    }
}

impl Command<AuthorizeSecurityGroupEgress> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: AuthorizeSecurityGroupEgressRequest,
    ) -> Answer<AuthorizeSecurityGroupEgress> {
        let place = place_of(call);
        settle(tx, &place);
        let group = find_group(tx, &place, Some(&input.group_id), None)?;
        let tags = specified_tags(input.tag_specifications, ResourceType::SecurityGroupRule)?;
        let plain = Plain {
            ip_protocol: input.ip_protocol,
            from_port: input.from_port,
            to_port: input.to_port,
            cidr_ip: input.cidr_ip,
            source_group_name: input.source_security_group_name,
        };
        let rules = described(tx, &group, input.ip_permissions, plain)?;
        let added = add(call, tx, &group, true, rules, &tags)?;
        Ok(AuthorizeSecurityGroupEgressResult {
            r#return: Some(true),
            security_group_rules: Some(added.iter().map(render::added_rule).collect()),
        })
    }
}

fn add(
    call: &Call,
    tx: &mut Tx,
    group: &SecurityGroupRow,
    is_egress: bool,
    rules: Vec<Described>,
    tags: &Tags,
) -> Result<Vec<RuleRow>, AwsError> {
    let known = rules_in(tx, group.id(), is_egress);
    for rule in &rules {
        if known.iter().any(|known| is(known, rule)) {
            let text = format!(
                "the specified rule \"{}\" already exists",
                render::tell_traffic(&rule.traffic, &rule.peer)
            );
            return Err(refuse("InvalidPermission.Duplicate", text));
        }
    }
    if known.len() + rules.len() > RULES_MAX {
        let text = "The maximum number of rules per security group has been reached.";
        return Err(refuse("RulesPerSecurityGroupLimitExceeded", text));
    }
    let mut added = Vec::new();
    for rule in rules {
        let row = RuleRow {
            key: key_of(&group.place(), &mint(&call.ids, "sgr")),
            group: group.id().to_owned(),
            is_egress,
            traffic: rule.traffic,
            peer: rule.peer,
            description: rule.description,
            tags: tags.clone(),
        };
        added.push(row.clone());
        tx.put(row);
    }
    Ok(added)
}

/// A group's rules of one direction.
pub(super) fn rules_in(snapshot: &Snapshot, group: &str, is_egress: bool) -> Vec<Arc<RuleRow>> {
    let rules = snapshot.by_index::<RuleRow>("group", group);
    rules.filter(|rule| rule.is_egress == is_egress).collect()
}

/// Whether a rule is the one that a request describes.
pub(super) fn is(row: &RuleRow, rule: &Described) -> bool {
    row.traffic == rule.traffic && row.peer == rule.peer
}

impl Command<RevokeSecurityGroupIngress> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: RevokeSecurityGroupIngressRequest,
    ) -> Answer<RevokeSecurityGroupIngress> {
        let place = place_of(call);
        settle(tx, &place);
        let group = find_group(tx, &place, input.group_id.as_deref(), input.group_name.as_deref())?;
        let plain = Plain {
            ip_protocol: input.ip_protocol,
            from_port: input.from_port,
            to_port: input.to_port,
            cidr_ip: input.cidr_ip,
            source_group_name: input.source_security_group_name,
        };
        let wish = Wish { ids: input.security_group_rule_ids, list: input.ip_permissions, plain };
        let (gone, unknown) = revoke(tx, &group, false, wish)?;
        Ok(RevokeSecurityGroupIngressResult {
            r#return: Some(true),
            unknown_ip_permissions: Some(unknown),
            revoked_security_group_rules: Some(gone.iter().map(|r| render::revoked(r)).collect()),
        })
    }
}

impl Command<RevokeSecurityGroupEgress> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: RevokeSecurityGroupEgressRequest,
    ) -> Answer<RevokeSecurityGroupEgress> {
        let place = place_of(call);
        settle(tx, &place);
        let group = find_group(tx, &place, Some(&input.group_id), None)?;
        let plain = Plain {
            ip_protocol: input.ip_protocol,
            from_port: input.from_port,
            to_port: input.to_port,
            cidr_ip: input.cidr_ip,
            source_group_name: input.source_security_group_name,
        };
        let wish = Wish { ids: input.security_group_rule_ids, list: input.ip_permissions, plain };
        let (gone, unknown) = revoke(tx, &group, true, wish)?;
        Ok(RevokeSecurityGroupEgressResult {
            r#return: Some(true),
            unknown_ip_permissions: Some(unknown),
            revoked_security_group_rules: Some(gone.iter().map(|r| render::revoked(r)).collect()),
        })
    }
}

/// Which rules are to go: by their ids, or by what they allow.
struct Wish {
    ids: Option<Vec<String>>,
    list: Option<Vec<IpPermission>>,
    plain: Plain,
}

type Revoked = (Vec<Arc<RuleRow>>, Vec<IpPermission>);

fn revoke(
    tx: &mut Tx,
    group: &SecurityGroupRow,
    is_egress: bool,
    wish: Wish,
) -> Result<Revoked, AwsError> {
    let (gone, unknown) = match wish.ids.filter(|ids| !ids.is_empty()) {
        Some(_) if wish.list.is_some() => {
            let text = "The parameter 'securityGroupRuleIds' may not be used in combination with \
                        'ipPermissions'";
            return Err(combination(text));
        }
        Some(ids) => (by_ids(tx, group, is_egress, &ids)?, Vec::new()),
        None => by_traffic(tx, group, is_egress, wish.list, wish.plain)?,
    };
    for rule in &gone {
        tx.remove::<RuleRow>(&rule.key);
    }
    Ok((gone, unknown))
}

fn by_ids(
    tx: &Tx,
    group: &SecurityGroupRow,
    is_egress: bool,
    ids: &[String],
) -> Result<Vec<Arc<RuleRow>>, AwsError> {
    let mut gone = Vec::new();
    for id in ids {
        let rule = RuleRow::find(tx, &group.place(), id)?;
        if rule.group != group.id() || rule.is_egress != is_egress {
            return Err(refuse(RuleRow::MISSING, RuleRow::missing_text(id)));
        }
        gone.push(rule);
    }
    Ok(gone)
}

/// In a default VPC, rules that are not there are listed; elsewhere they are an error.
fn by_traffic(
    tx: &Tx,
    group: &SecurityGroupRow,
    is_egress: bool,
    list: Option<Vec<IpPermission>>,
    plain: Plain,
) -> Result<Revoked, AwsError> {
    let rules = described(tx, group, list, plain)?;
    let known = rules_in(tx, group.id(), is_egress);
    let vpc = VpcRow::find(tx, &group.place(), &group.vpc)?;
    let (mut gone, mut unknown) = (Vec::new(), Vec::new());
    for rule in rules {
        match known.iter().find(|row| is(row, &rule)) {
            Some(row) => gone.push(Arc::clone(row)),
            None if vpc.is_default => unknown.push(permission(group, rule)),
            None => {
                let text = "The specified rule does not exist in this security group.";
                return Err(refuse("InvalidPermission.NotFound", text));
            }
        }
    }
    Ok((gone, unknown))
}

fn permission(group: &SecurityGroupRow, rule: Described) -> IpPermission {
    render::permission_of(&RuleRow {
        key: group.key.clone(),
        group: group.id().to_owned(),
        is_egress: false,
        traffic: rule.traffic,
        peer: rule.peer,
        description: rule.description,
        tags: Tags::new(),
    })
}
