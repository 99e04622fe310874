//! What a request is about, whichever way it names it: policies speak of ids.

use haar_ec2_contract::peek::Place;
use haar_ledger::Snapshot;
use haar_wire::{AwsError, OperationSchema, Shape, text_member};

use super::address::{find_address, find_associated};
use super::network_acl;
use super::route_table::find_association;
use super::security_group::find_group;
use super::tag::arn_of_id;
use super::vpc_range::find_ranged;
use crate::state::Resource as _;
use crate::world::default_vpc;

/// Members that list ids, by the operation, as they are on the wire.
const LISTS: [(&str, &str); 3] = [
    ("CreateTags", "ResourceId"),
    ("DeleteTags", "resourceId"),
    ("DeleteVpcEndpoints", "VpcEndpointId"),
];

/// Members that name what is touched besides the operation's own resource.
const BESIDES: [(&str, &[&str]); 11] = [
    ("AssociateDhcpOptions", &["DhcpOptionsId"]),
    ("AssociateRouteTable", &["SubnetId", "GatewayId"]),
    ("AttachInternetGateway", &["VpcId"]),
    ("CreateNatGateway", &["SubnetId", "AllocationId"]),
    ("CreateNetworkAcl", &["VpcId"]),
    ("CreateNetworkInterface", &["SubnetId"]),
    ("CreateRouteTable", &["VpcId"]),
    ("CreateSecurityGroup", &["VpcId"]),
    ("CreateSubnet", &["VpcId"]),
    ("CreateVpcEndpoint", &["VpcId"]),
    ("DetachInternetGateway", &["VpcId"]),
];

/// The ARNs of what a request touches besides what it makes or changes: the VPC of a new subnet,
/// also where none is named. *Service Authorization Reference > Amazon EC2*.
pub(crate) fn besides(
    snapshot: &Snapshot,
    place: &Place,
    operation: &OperationSchema,
    input: &dyn Shape,
) -> Vec<String> {
    let known = BESIDES.iter().find(|(name, _)| *name == operation.name);
    let Some((name, members)) = known else { return Vec::new() };
    let ids = members.iter().filter_map(|member| text_member(input, member));
    let arns: Vec<_> = ids.filter_map(|id| arn_of_id(place, &id)).collect();
    if arns.is_empty() && *name == "CreateSecurityGroup" {
        return Vec::from_iter(default_vpc(snapshot, place).map(|vpc| vpc.arn()));
    }
    arns
}

/// The ARNs of what a request names otherwise than by the id in its operation's template, as its
/// handler will find it. None: the template says it, or nothing is found, which the handler will
/// say.
pub(crate) fn named(
    snapshot: &Snapshot,
    place: &Place,
    operation: &OperationSchema,
    input: &dyn Shape,
) -> Vec<String> {
    if let Some((_, member)) = LISTS.iter().find(|(name, _)| *name == operation.name) {
        return listed(place, input, member);
    }
    otherwise(snapshot, place, operation, input).unwrap_or_default()
}

/// ARNs of listed ids. One that has no kind stays in, to be weighed as it is.
fn listed(place: &Place, input: &dyn Shape, member: &str) -> Vec<String> {
    let json = haar_wire::to_json(input);
    let ids = json[member].as_array().into_iter().flatten().filter_map(|id| id.as_str());
    let nameless = |id: &str| format!("arn:aws:ec2:{}:{}:*/{id}", place.region, place.account);
    ids.map(|id| arn_of_id(place, id).unwrap_or_else(|| nameless(id))).collect()
}

fn otherwise(
    snapshot: &Snapshot,
    place: &Place,
    operation: &OperationSchema,
    input: &dyn Shape,
) -> Result<Vec<String>, AwsError> {
    let member = |name: &str| text_member(input, name);
    let association = member("AssociationId").unwrap_or_default();
    Ok(match operation.name {
        "DisassociateAddress" => {
            let public_ip = member("PublicIp");
            let found = match member("AssociationId") {
                Some(id) => find_associated(snapshot, place, &id)?,
                None => find_address(snapshot, place, None, public_ip.as_deref())?,
            };
            vec![found.arn()]
        }
        "DisassociateRouteTable" => vec![find_association(snapshot, place, &association)?.0.arn()],
        "DisassociateVpcCidrBlock" => vec![find_ranged(snapshot, place, &association)?.arn()],
        // From one to another: both change.
        "ReplaceRouteTableAssociation" => {
            let old = find_association(snapshot, place, &association)?.0.arn();
            both(place, old, member("RouteTableId"))
        }
        "ReplaceNetworkAclAssociation" => {
            let old = network_acl::find_associated(snapshot, place, &association)?.arn();
            both(place, old, member("NetworkAclId"))
        }
        _ if operation.resource.ends_with("{GroupId}") => {
            let (id, name) = (member("GroupId"), member("GroupName"));
            vec![find_group(snapshot, place, id.as_deref(), name.as_deref())?.arn()]
        }
        _ if operation.resource.ends_with("{AllocationId}") => {
            let (id, public_ip) = (member("AllocationId"), member("PublicIp"));
            vec![find_address(snapshot, place, id.as_deref(), public_ip.as_deref())?.arn()]
        }
        _ => Vec::new(),
    })
}

fn both(place: &Place, old: String, new: Option<String>) -> Vec<String> {
    let new = new.and_then(|id| arn_of_id(place, &id));
    [Some(old), new].into_iter().flatten().collect()
}
