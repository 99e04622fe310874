//! Route tables.

use haar_ec2_contract::{
    Route, RouteOrigin, RouteState, RouteTable, RouteTableAssociation, RouteTableAssociationState,
    RouteTableAssociationStateCode,
};
use haar_ledger::Snapshot;

use crate::rules::wire_tags;
use crate::state::{
    Destination, EndpointRow, InterfaceRow, InternetGatewayRow, NatGatewayRow, NatState,
    Resource as _, RouteEntry, RouteTableRow, TableAssociation, Target, VpcRow, key_of,
};

pub(crate) fn route_table(snapshot: &Snapshot, row: &RouteTableRow) -> RouteTable {
    let associations = row.associations.iter();
    RouteTable {
        associations: Some(associations.map(|used| association(row.id(), used)).collect()),
        propagating_vgws: Some(Vec::new()),
        route_table_id: Some(row.id().to_owned()),
        routes: Some(routes(snapshot, row)),
        tags: wire_tags(&row.tags),
        vpc_id: Some(row.vpc.clone()),
        owner_id: Some(row.owner()),
    }
}

fn association(table: &str, row: &TableAssociation) -> RouteTableAssociation {
    let state = RouteTableAssociationStateCode::Associated;
    RouteTableAssociation {
        main: Some(row.is_main()),
        route_table_association_id: Some(row.id.clone()),
        route_table_id: Some(table.to_owned()),
        subnet_id: row.subnet.clone(),
        gateway_id: row.gateway.clone(),
        public_ipv4_pool: None,
        association_state: Some(RouteTableAssociationState {
            state: Some(state),
            status_message: None,
        }),
    }
}

/// All routes: first those within the VPC, then the customer's.
pub(crate) fn routes(snapshot: &Snapshot, row: &RouteTableRow) -> Vec<Route> {
    let vpc = snapshot.get::<VpcRow>(&key_of(&row.place(), &row.vpc));
    let ranges = vpc.iter().flat_map(|vpc| vpc.ranges.iter());
    let local = ranges.map(|range| Route {
        destination_cidr_block: Some(range.range().to_string()),
        gateway_id: Some("local".to_owned()),
        origin: Some(RouteOrigin::CreateRouteTable),
        state: Some(RouteState::Active),
        ..Route::default()
    });
    local.chain(row.routes.iter().map(|entry| route(snapshot, row, entry))).collect()
}

fn route(snapshot: &Snapshot, row: &RouteTableRow, entry: &RouteEntry) -> Route {
    let place = row.place();
    let mut out = Route { origin: Some(RouteOrigin::CreateRoute), ..Route::default() };
    match &entry.destination {
        Destination::Ipv4(text) => out.destination_cidr_block = Some(text.clone()),
        Destination::Ipv6(text) => out.destination_ipv6_cidr_block = Some(text.clone()),
        Destination::PrefixList(id) => out.destination_prefix_list_id = Some(id.clone()),
    }
    let is_there = match &entry.target {
        Target::InternetGateway(id) => {
            out.gateway_id = Some(id.clone());
            let gateway = snapshot.get::<InternetGatewayRow>(&key_of(&place, id));
            gateway.is_some_and(|gateway| gateway.vpc.as_ref() == Some(&row.vpc))
        }
        Target::NatGateway(id) => {
            out.nat_gateway_id = Some(id.clone());
            let gateway = snapshot.get::<NatGatewayRow>(&key_of(&place, id));
            gateway.is_some_and(|gateway| gateway.state < NatState::Deleting)
        }
        Target::Interface(id) => {
            out.network_interface_id = Some(id.clone());
            snapshot.contains::<InterfaceRow>(&key_of(&place, id))
        }
        Target::Endpoint(id) => {
            out.gateway_id = Some(id.clone());
            snapshot.contains::<EndpointRow>(&key_of(&place, id))
        }
    };
    out.state = Some(if is_there { RouteState::Active } else { RouteState::Blackhole });
    out
}
