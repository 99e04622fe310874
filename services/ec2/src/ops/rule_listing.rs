//! Looking at rules of security groups, and changing them in place.

use haar_ec2_contract::peek::Place;
use haar_ec2_contract::{
    DescribeSecurityGroupRules, DescribeSecurityGroupRulesRequest,
    DescribeSecurityGroupRulesResult, IpPermission, ModifySecurityGroupRules,
    ModifySecurityGroupRulesRequest, ModifySecurityGroupRulesResult, SecurityGroupRuleDescription,
    SecurityGroupRuleRequest, UpdateSecurityGroupRuleDescriptionsEgress,
    UpdateSecurityGroupRuleDescriptionsEgressRequest,
    UpdateSecurityGroupRuleDescriptionsEgressResult, UpdateSecurityGroupRuleDescriptionsIngress,
    UpdateSecurityGroupRuleDescriptionsIngressRequest,
    UpdateSecurityGroupRuleDescriptionsIngressResult,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use super::permissions::{Plain, check_description, described, ipv4, ipv6, prefix_list, traffic};
use super::rule::{is, rules_in};
use super::security_group::find_group;
use crate::listing::{ask, describe, place_of};
use crate::refusal::{combination, missing, refuse};
use crate::state::{Peer, Resource, RuleRow, SecurityGroupRow};
use crate::world::{seen, settle};
use crate::{Ec2, render};

impl Query<DescribeSecurityGroupRules> for Ec2 {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeSecurityGroupRulesRequest,
    ) -> Answer<DescribeSecurityGroupRules> {
        let place = place_of(call);
        let snapshot = seen(snapshot, &place);
        let ask = ask!(input, security_group_rule_ids);
        let page = describe::<RuleRow>(&snapshot, &place, ask, |row, name| {
            Some(match name {
                "group-id" => vec![row.group.clone()],
                "security-group-rule-id" => vec![row.id().to_owned()],
                _ => return None,
            })
        })?;
        Ok(DescribeSecurityGroupRulesResult {
            security_group_rules: Some(page.items.iter().map(|row| render::rule(row)).collect()),
            next_token: page.next,
        })
    }
}

impl Command<ModifySecurityGroupRules> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: ModifySecurityGroupRulesRequest,
    ) -> Answer<ModifySecurityGroupRules> {
        let place = place_of(call);
        settle(tx, &place);
        let group = find_group(tx, &place, Some(&input.group_id), None)?;
        for update in input.security_group_rules {
            let id = &update.security_group_rule_id;
            let row = RuleRow::find(tx, &place, id)?;
            if row.group != group.id() {
                return Err(refuse(RuleRow::MISSING, RuleRow::missing_text(id)));
            }
            let wanted = update.security_group_rule.ok_or_else(|| missing("SecurityGroupRule"))?;
            let changed = changed(tx, &place, &row, wanted)?;
            let others = rules_in(tx, group.id(), row.is_egress);
            let same = |other: &RuleRow| {
                other.id() != row.id()
                    && (&other.traffic, &other.peer) == (&changed.traffic, &changed.peer)
            };
            if others.iter().any(|other| same(other)) {
                let told = render::tell_traffic(&changed.traffic, &changed.peer);
                let text = format!("the specified rule \"{told}\" already exists");
                return Err(refuse("InvalidPermission.Duplicate", text));
            }
            tx.put(changed);
        }
        Ok(ModifySecurityGroupRulesResult { r#return: Some(true) })
    }
}

/// A rule as a request wants it: all but its kind of peer may change.
fn changed(
    tx: &Tx,
    place: &Place,
    row: &RuleRow,
    wanted: SecurityGroupRuleRequest,
) -> Result<RuleRow, AwsError> {
    let protocol = wanted.ip_protocol.ok_or_else(|| missing("IpProtocol"))?;
    let peer = match (
        wanted.cidr_ipv4,
        wanted.cidr_ipv6,
        wanted.prefix_list_id,
        wanted.referenced_group_id,
    ) {
        (Some(text), None, None, None) => ipv4(text)?,
        (None, Some(text), None, None) => ipv6(text)?,
        (None, None, Some(id), None) => prefix_list(place, &id)?,
        (None, None, None, Some(id)) => {
            Peer::Group(find_group(tx, place, Some(&id), None)?.id().to_owned())
        }
        (None, None, None, None) => {
            return Err(missing("CidrIpv4, CidrIpv6, PrefixListId or ReferencedGroupId"));
        }
        _ => {
            let text = "Only one of cidrIpv4, cidrIpv6, prefixListId or referencedGroupId can be \
                        specified";
            return Err(combination(text));
        }
    };
    if std::mem::discriminant(&peer) != std::mem::discriminant(&row.peer) {
        let text = "You may not change the source or destination type of a security group rule.";
        return Err(combination(text));
    }
    if let Some(text) = &wanted.description {
        check_description(text)?;
    }
    Ok(RuleRow {
        traffic: traffic(&protocol, wanted.from_port, wanted.to_port)?,
        peer,
        description: wanted.description.filter(|text| !text.is_empty()),
        ..row.clone()
    })
}

impl Command<UpdateSecurityGroupRuleDescriptionsIngress> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateSecurityGroupRuleDescriptionsIngressRequest,
    ) -> Answer<UpdateSecurityGroupRuleDescriptionsIngress> {
        let place = place_of(call);
        settle(tx, &place);
        let group = find_group(tx, &place, input.group_id.as_deref(), input.group_name.as_deref())?;
        let by_id = input.security_group_rule_descriptions;
        describe_anew(tx, &group, false, input.ip_permissions, by_id)?;
        Ok(UpdateSecurityGroupRuleDescriptionsIngressResult { r#return: Some(true) })
    }
}

impl Command<UpdateSecurityGroupRuleDescriptionsEgress> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateSecurityGroupRuleDescriptionsEgressRequest,
    ) -> Answer<UpdateSecurityGroupRuleDescriptionsEgress> {
        let place = place_of(call);
        settle(tx, &place);
        let group = find_group(tx, &place, input.group_id.as_deref(), input.group_name.as_deref())?;
        let by_id = input.security_group_rule_descriptions;
        describe_anew(tx, &group, true, input.ip_permissions, by_id)?;
        Ok(UpdateSecurityGroupRuleDescriptionsEgressResult { r#return: Some(true) })
    }
}

/// Gives rules other descriptions; none takes the one that is there away.
fn describe_anew(
    tx: &mut Tx,
    group: &SecurityGroupRow,
    is_egress: bool,
    list: Option<Vec<IpPermission>>,
    by_id: Option<Vec<SecurityGroupRuleDescription>>,
) -> Result<(), AwsError> {
    if let Some(list) = by_id.filter(|list| !list.is_empty()) {
        for wanted in list {
            let id = wanted.security_group_rule_id.unwrap_or_default();
            let row = RuleRow::find(tx, &group.place(), &id)?;
            if row.group != group.id() || row.is_egress != is_egress {
                return Err(refuse(RuleRow::MISSING, RuleRow::missing_text(&id)));
            }
            if let Some(text) = &wanted.description {
                check_description(text)?;
            }
            let description = wanted.description.filter(|text| !text.is_empty());
            tx.put(RuleRow { description, ..RuleRow::clone(&row) });
        }
        return Ok(());
    }
    let known = rules_in(tx, group.id(), is_egress);
    for rule in described(tx, group, list, Plain::default())? {
        let Some(row) = known.iter().find(|row| is(row, &rule)) else {
            let text = "The specified rule does not exist in this security group.";
            return Err(refuse("InvalidPermission.NotFound", text));
        };
        tx.put(RuleRow { description: rule.description, ..RuleRow::clone(row) });
    }
    Ok(())
}
