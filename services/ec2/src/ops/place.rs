//! Regions, zones, and what an account is.

use haar_ec2_contract::{
    AccountAttribute, AccountAttributeName, AccountAttributeValue, AvailabilityZone,
    AvailabilityZoneOptInStatus, AvailabilityZoneState, DescribeAccountAttributes,
    DescribeAccountAttributesRequest, DescribeAccountAttributesResult, DescribeAvailabilityZones,
    DescribeAvailabilityZonesRequest, DescribeAvailabilityZonesResult, DescribeRegions,
    DescribeRegionsRequest, DescribeRegionsResult, Region,
};
use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;
use haar_types::{REGIONS, Tags};

use super::interface::GROUPS_MAX;
use crate::Ec2;
use crate::listing::place_of;
use crate::refusal::invalid;
use crate::rules::{Filters, zone_id, zones};
use crate::state::Resource as _;
use crate::world::{default_vpc, seen};

impl Query<DescribeRegions> for Ec2 {
    /// Regions that need an opt-in are shown as not opted in; they work all the same.
    fn query(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        input: DescribeRegionsRequest,
    ) -> Answer<DescribeRegions> {
        let filters = Filters::new(input.filters)?;
        let names = input.region_names.unwrap_or_default();
        for name in &names {
            if !REGIONS.iter().any(|(known, _)| known == name) {
                return Err(invalid(format!("Invalid region provided: {name}")));
            }
        }
        let all = input.all_regions == Some(true) || !names.is_empty();
        let mut regions = Vec::new();
        for (name, opt_in) in REGIONS {
            let is_named = names.is_empty() || names.iter().any(|wanted| wanted == name);
            if !is_named || (*opt_in && !all) {
                continue;
            }
            let status = if *opt_in { "not-opted-in" } else { "opt-in-not-required" };
            let endpoint = format!("ec2.{name}.amazonaws.com");
            let fits = filters.match_(&Tags::new(), |filter| match filter {
                "endpoint" => Some(vec![endpoint.clone()]),
                "opt-in-status" => Some(vec![status.to_owned()]),
                "region-name" => Some(vec![(*name).to_owned()]),
                _ => None,
            })?;
            if fits {
                regions.push(Region {
                    opt_in_status: Some(status.to_owned()),
                    region_name: Some((*name).to_owned()),
                    endpoint: Some(endpoint),
                    ..Region::default()
                });
            }
        }
        Ok(DescribeRegionsResult { regions: Some(regions) })
    }
}

impl Query<DescribeAvailabilityZones> for Ec2 {
    fn query(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        input: DescribeAvailabilityZonesRequest,
    ) -> Answer<DescribeAvailabilityZones> {
        let filters = Filters::new(input.filters)?;
        let known = zones(call.region.as_str());
        let (names, ids) =
            (input.zone_names.unwrap_or_default(), input.zone_ids.unwrap_or_default());
        for name in &names {
            if !known.contains(name) {
                return Err(invalid(format!("Invalid availability zone: [{name}]")));
            }
        }
        for id in &ids {
            if !known.iter().any(|zone| zone_id(zone) == *id) {
                return Err(invalid(format!("Invalid availability zone-id: [{id}]")));
            }
        }
        let is_named = |zone: &String| {
            (names.is_empty() && ids.is_empty())
                || names.contains(zone)
                || ids.contains(&zone_id(zone))
        };
        let mut found = Vec::new();
        for zone in known.into_iter().filter(is_named) {
            let region = call.region.to_string();
            let fits = filters.match_(&Tags::new(), |name| {
                Some(match name {
                    "group-name" => vec![format!("{region}-zg-1")],
                    "network-border-group" | "region-name" => vec![region.clone()],
                    "message" | "parent-zone-id" | "parent-zone-name" => Vec::new(),
                    "opt-in-status" => vec!["opt-in-not-required".to_owned()],
                    "state" => vec!["available".to_owned()],
                    "zone-id" => vec![zone_id(&zone)],
                    "zone-name" => vec![zone.clone()],
                    "zone-type" => vec!["availability-zone".to_owned()],
                    _ => return None,
                })
            })?;
            if fits {
                found.push(shown(&region, zone));
            }
        }
        Ok(DescribeAvailabilityZonesResult { availability_zones: Some(found) })
    }
}

fn shown(region: &str, zone: String) -> AvailabilityZone {
    AvailabilityZone {
        opt_in_status: Some(AvailabilityZoneOptInStatus::OptInNotRequired),
        messages: Some(Vec::new()),
        region_name: Some(region.to_owned()),
        zone_id: Some(zone_id(&zone)),
        zone_name: Some(zone),
        group_name: Some(format!("{region}-zg-1")),
        network_border_group: Some(region.to_owned()),
        zone_type: Some("availability-zone".to_owned()),
        state: Some(AvailabilityZoneState::Available),
        ..AvailabilityZone::default()
    }
}

impl Query<DescribeAccountAttributes> for Ec2 {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeAccountAttributesRequest,
    ) -> Answer<DescribeAccountAttributes> {
        let place = place_of(call);
        let vpc = default_vpc(&seen(snapshot, &place), &place);
        let vpc = vpc.map_or_else(|| "none".to_owned(), |vpc| vpc.id().to_owned());
        let all = [
            ("supported-platforms", "VPC".to_owned()),
            ("default-vpc", vpc),
            ("max-instances", "20".to_owned()),
            ("vpc-max-security-groups-per-interface", GROUPS_MAX.to_string()),
            ("max-elastic-ips", "5".to_owned()),
            ("vpc-max-elastic-ips", "5".to_owned()),
        ];
        let wanted = input.attribute_names.unwrap_or_default();
        let is_wanted = |name: &str| {
            wanted.is_empty()
                || wanted.iter().map(|it: &AccountAttributeName| it.as_str()).any(|it| it == name)
        };
        let attributes = all.into_iter().filter(|(name, _)| is_wanted(name));
        let attributes = attributes.map(|(name, value)| AccountAttribute {
            attribute_name: Some(name.to_owned()),
            attribute_values: Some(vec![AccountAttributeValue { attribute_value: Some(value) }]),
        });
        Ok(DescribeAccountAttributesResult { account_attributes: Some(attributes.collect()) })
    }
}
