//! Route tables and what uses them.

use haar_ec2_contract::peek::Place;
use haar_ec2_contract::{
    AssociateRouteTable, AssociateRouteTableRequest, AssociateRouteTableResult, CreateRouteTable,
    CreateRouteTableRequest, CreateRouteTableResult, DeleteRouteTable, DeleteRouteTableOutput,
    DeleteRouteTableRequest, DescribeRouteTables, DescribeRouteTablesRequest,
    DescribeRouteTablesResult, DisassociateRouteTable, DisassociateRouteTableOutput,
    DisassociateRouteTableRequest, ReplaceRouteTableAssociation,
    ReplaceRouteTableAssociationRequest, ReplaceRouteTableAssociationResult, ResourceType, Route,
    RouteTableAssociationState, RouteTableAssociationStateCode,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use crate::listing::{ask, describe, place_of};
use crate::refusal::{dependency, invalid, missing, refuse};
use crate::rules::{mint, specified_tags};
use crate::state::{
    InternetGatewayRow, Resource, RouteTableRow, SubnetRow, TableAssociation, VpcRow, key_of,
    rows_of,
};
use crate::world::{seen, settle};
use crate::{Ec2, render};

impl Command<CreateRouteTable> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateRouteTableRequest,
    ) -> Answer<CreateRouteTable> {
        let place = place_of(call);
        settle(tx, &place);
        let tags = specified_tags(input.tag_specifications, ResourceType::RouteTable)?;
        let vpc = VpcRow::find(tx, &place, &input.vpc_id)?;
        let row = RouteTableRow {
            key: key_of(&place, &mint(&call.ids, "rtb")),
            vpc: vpc.id().to_owned(),
            routes: Vec::new(),
            associations: Vec::new(),
            tags,
        };
        let output = made(tx, &row, input.client_token);
        tx.put(row);
        Ok(output)
    }
}

fn made(tx: &Tx, row: &RouteTableRow, token: Option<String>) -> CreateRouteTableResult {
    CreateRouteTableResult { route_table: Some(render::route_table(tx, row)), client_token: token }
}

impl Query<DescribeRouteTables> for Ec2 {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeRouteTablesRequest,
    ) -> Answer<DescribeRouteTables> {
        let place = place_of(call);
        let snapshot = &seen(snapshot, &place);
        let says = |row: &RouteTableRow, name: &str| says(snapshot, row, name);
        let page = describe(snapshot, &place, ask!(input, route_table_ids), says)?;
        let tables = page.items.iter().map(|row| render::route_table(snapshot, row));
        Ok(DescribeRouteTablesResult {
            route_tables: Some(tables.collect()),
            next_token: page.next,
        })
    }
}

fn says(snapshot: &Snapshot, row: &RouteTableRow, name: &str) -> Option<Vec<String>> {
    let uses = row.associations.iter();
    Some(match name {
        "association.gateway-id" => uses.filter_map(|used| used.gateway.clone()).collect(),
        "association.route-table-association-id" => uses.map(|used| used.id.clone()).collect(),
        "association.route-table-id" => uses.map(|_| row.id().to_owned()).collect(),
        "association.subnet-id" => uses.filter_map(|used| used.subnet.clone()).collect(),
        "association.main" => uses.map(|used| used.is_main().to_string()).collect(),
        "association.state" => uses.map(|_| "associated".to_owned()).collect(),
        "owner-id" => vec![row.owner()],
        "route-table-id" => vec![row.id().to_owned()],
        "vpc-id" => vec![row.vpc.clone()],
        _ => {
            let show = route_shows(name.strip_prefix("route.")?)?;
            render::routes(snapshot, row).iter().filter_map(show).collect()
        }
    })
}

/// What a filter looks at in each route.
fn route_shows(name: &str) -> Option<fn(&Route) -> Option<String>> {
    Some(match name {
        "destination-cidr-block" => |route| route.destination_cidr_block.clone(),
        "destination-ipv6-cidr-block" => |route| route.destination_ipv6_cidr_block.clone(),
        "destination-prefix-list-id" => |route| route.destination_prefix_list_id.clone(),
        "gateway-id" => |route| route.gateway_id.clone(),
        "nat-gateway-id" => |route| route.nat_gateway_id.clone(),
        "egress-only-internet-gateway-id"
        | "instance-id"
        | "transit-gateway-id"
        | "vpc-peering-connection-id" => |_| None,
        "origin" => |route| route.origin.map(|origin| origin.to_string()),
        "state" => |route| route.state.map(|state| state.to_string()),
        _ => return None,
    })
}

impl Command<DeleteRouteTable> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteRouteTableRequest,
    ) -> Answer<DeleteRouteTable> {
        let place = place_of(call);
        settle(tx, &place);
        let row = RouteTableRow::find(tx, &place, &input.route_table_id)?;
        if !row.associations.is_empty() {
            return Err(dependency("routeTable", row.id()));
        }
        tx.remove::<RouteTableRow>(&row.key);
        Ok(DeleteRouteTableOutput {})
    }
}

impl Command<AssociateRouteTable> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: AssociateRouteTableRequest,
    ) -> Answer<AssociateRouteTable> {
        let place = place_of(call);
        settle(tx, &place);
        let table = RouteTableRow::find(tx, &place, &input.route_table_id)?;
        let vpc = match (&input.subnet_id, &input.gateway_id) {
            (Some(subnet), None) => Some(SubnetRow::find(tx, &place, subnet)?.vpc.clone()),
            (None, Some(gateway)) => InternetGatewayRow::find(tx, &place, gateway)?.vpc.clone(),
            _ => return Err(missing("subnetId or gatewayId")),
        };
        if vpc.as_ref() != Some(&table.vpc) {
            let used = input.subnet_id.or(input.gateway_id).unwrap_or_default();
            return Err(other_network(table.id(), &used));
        }
        let same = |used: &TableAssociation| {
            (&used.subnet, &used.gateway) == (&input.subnet_id, &input.gateway_id)
        };
        let tables = tx.by_index::<RouteTableRow>("vpc", &table.vpc);
        let known = tables.flat_map(|table| table.associations.clone()).find(|used| same(used));
        let id = match known {
            Some(known) if table.associations.contains(&known) => known.id,
            Some(known) => {
                let used = known.subnet.or(known.gateway).unwrap_or_default();
                let text = format!(
                    "the specified association for route table {} conflicts with \
                                    an existing association of {used}",
                    table.id()
                );
                return Err(refuse("Resource.AlreadyAssociated", text));
            }
            None => {
                let id = mint(&call.ids, "rtbassoc");
                let (subnet, gateway) = (input.subnet_id, input.gateway_id);
                let used = TableAssociation { id: id.clone(), subnet, gateway };
                tx.update::<RouteTableRow>(&table.key, |row| row.associations.push(used));
                id
            }
        };
        Ok(AssociateRouteTableResult {
            association_id: Some(id),
            association_state: Some(associated()),
        })
    }
}

fn other_network(table: &str, used: &str) -> AwsError {
    invalid(format!("route table {table} and network resource {used} belong to different networks"))
}

fn associated() -> RouteTableAssociationState {
    RouteTableAssociationState {
        state: Some(RouteTableAssociationStateCode::Associated),
        status_message: None,
    }
}

/// The table that has an association.
pub(super) fn find_association(
    snapshot: &Snapshot,
    place: &Place,
    id: &str,
) -> Result<(std::sync::Arc<RouteTableRow>, TableAssociation), AwsError> {
    let table = snapshot.by_index::<RouteTableRow>("association", id);
    let table = table.into_iter().find(|table| table.place() == *place);
    let found = table.and_then(|table| {
        let used = table.associations.iter().find(|used| used.id == id).cloned()?;
        Some((table, used))
    });
    let missing = || format!("The association ID '{id}' does not exist");
    found.ok_or_else(|| refuse("InvalidAssociationID.NotFound", missing()))
}

impl Command<DisassociateRouteTable> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DisassociateRouteTableRequest,
    ) -> Answer<DisassociateRouteTable> {
        let place = place_of(call);
        settle(tx, &place);
        let (table, used) = find_association(tx, &place, &input.association_id)?;
        if used.is_main() {
            let text = format!("cannot disassociate the main route table association {}", used.id);
            return Err(invalid(text));
        }
        tx.update::<RouteTableRow>(&table.key, |row| row.associations.retain(|it| *it != used));
        Ok(DisassociateRouteTableOutput {})
    }
}

impl Command<ReplaceRouteTableAssociation> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: ReplaceRouteTableAssociationRequest,
    ) -> Answer<ReplaceRouteTableAssociation> {
        let place = place_of(call);
        settle(tx, &place);
        let (old, used) = find_association(tx, &place, &input.association_id)?;
        let new = RouteTableRow::find(tx, &place, &input.route_table_id)?;
        if new.vpc != old.vpc {
            return Err(other_network(new.id(), &old.vpc));
        }
        let id = mint(&call.ids, "rtbassoc");
        let moved = TableAssociation { id: id.clone(), ..used.clone() };
        tx.update::<RouteTableRow>(&old.key, |row| row.associations.retain(|it| *it != used));
        tx.update::<RouteTableRow>(&new.key, |row| row.associations.push(moved));
        debug_assert_eq!(
            rows_of::<RouteTableRow>(tx, &place)
                .filter(|row| row.vpc == new.vpc && row.is_main())
                .count(),
            1
        );
        Ok(ReplaceRouteTableAssociationResult {
            new_association_id: Some(id),
            association_state: Some(associated()),
        })
    }
}
