//! Routes.

use haar_ec2_contract::peek::Place;
use haar_ec2_contract::{
    CreateRoute, CreateRouteRequest, CreateRouteResult, DeleteRoute, DeleteRouteOutput,
    DeleteRouteRequest, ReplaceRoute, ReplaceRouteOutput, ReplaceRouteRequest,
};
use haar_kernel::{Answer, Call, Command};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use crate::Ec2;
use crate::listing::place_of;
use crate::refusal::{combination, invalid, missing, refuse, unsupported};
use crate::rules::{managed_list, parse_ipv4, parse_ipv6};
use crate::state::{
    Destination, InterfaceRow, InternetGatewayRow, NatGatewayRow, NatState, Resource, RouteEntry,
    RouteTableRow, Target, VpcRow, key_of,
};
use crate::world::settle;

/// Routes of a table at most.
const ROUTES_MAX: usize = 500;

/// The three members that name a destination.
struct Where(Option<String>, Option<String>, Option<String>);

impl Where {
    fn read(self, place: &Place) -> Result<Destination, AwsError> {
        let malformed = |text: &str, name: &str| {
            invalid(format!(
                "Value ({text}) for parameter {name} is invalid. This is not a valid CIDR block."
            ))
        };
        match (self.0, self.1, self.2) {
            (Some(text), None, None) => {
                let range = parse_ipv4(&text);
                let range = range.ok_or_else(|| malformed(&text, "destinationCidrBlock"))?;
                Ok(Destination::Ipv4(range.to_string()))
            }
            (None, Some(text), None) => {
                let range = parse_ipv6(&text);
                let range = range.ok_or_else(|| malformed(&text, "destinationIpv6CidrBlock"))?;
                Ok(Destination::Ipv6(range))
            }
            (None, None, Some(id)) => {
                let missing = || format!("The prefix list ID '{id}' does not exist");
                let list = managed_list(place, &id);
                let list = list.ok_or_else(|| refuse("InvalidPrefixListID.NotFound", missing()))?;
                Ok(Destination::PrefixList(list.id))
            }
            (None, None, None) => Err(missing("destinationCidrBlock")),
            _ => {
                let text = "The parameters destinationCidrBlock, destinationIpv6CidrBlock and \
                            destinationPrefixListId may not be used together";
                Err(combination(text))
            }
        }
    }
}

/// The members that name a target.
struct Via {
    gateway: Option<String>,
    nat_gateway: Option<String>,
    interface: Option<String>,
    endpoint: Option<String>,
    /// Kinds of target that haar has not, by their parameters.
    others: Vec<(&'static str, bool)>,
}

impl Via {
    fn read(self, tx: &Tx, table: &RouteTableRow) -> Result<Target, AwsError> {
        if let Some((what, _)) = self.others.iter().find(|(_, is_given)| *is_given) {
            return Err(unsupported(&format!("a route to {what}")));
        }
        let place = table.place();
        let given = [&self.gateway, &self.nat_gateway, &self.interface, &self.endpoint];
        match given.iter().filter(|given| given.is_some()).count() {
            0 => return Err(missing("gatewayId")),
            1 => {}
            _ => {
                let text = "Only one target may be specified for a route";
                return Err(combination(text));
            }
        }
        if let Some(id) = self.gateway {
            return gateway(tx, &place, table, id);
        }
        if let Some(id) = self.nat_gateway {
            let row = NatGatewayRow::find(tx, &place, &id);
            let missing = || format!("The natGateway ID '{id}' does not exist");
            let row = row.map_err(|_| refuse("InvalidNatGatewayID.NotFound", missing()))?;
            if row.state >= NatState::Deleting {
                return Err(refuse("InvalidNatGatewayID.NotFound", missing()));
            }
            return Ok(Target::NatGateway(id));
        }
        if let Some(id) = self.interface {
            let row = InterfaceRow::find(tx, &place, &id)?;
            same_network(table, &id, Some(&row.vpc))?;
            return Ok(Target::Interface(id));
        }
        Err(unsupported("a route to a gateway load balancer endpoint"))
    }
}

/// The members of `CreateRoute` and `ReplaceRoute` that name a target are alike.
macro_rules! via {
    ($input:ident) => {
        Via {
            gateway: $input.gateway_id,
            nat_gateway: $input.nat_gateway_id,
            interface: $input.network_interface_id,
            endpoint: $input.vpc_endpoint_id,
            others: vec![
                ("a transit gateway", $input.transit_gateway_id.is_some()),
                ("a VPC peering connection", $input.vpc_peering_connection_id.is_some()),
                ("an egress-only gateway", $input.egress_only_internet_gateway_id.is_some()),
                ("an instance", $input.instance_id.is_some()),
                ("a local gateway", $input.local_gateway_id.is_some()),
                ("a carrier gateway", $input.carrier_gateway_id.is_some()),
                ("a core network", $input.core_network_arn.is_some()),
                ("an ODB network", $input.odb_network_arn.is_some()),
            ],
        }
    };
}

fn gateway(
    snapshot: &Snapshot,
    place: &Place,
    table: &RouteTableRow,
    id: String,
) -> Result<Target, AwsError> {
    if id == "local" || id.starts_with("vgw-") {
        return Err(unsupported("a route to a virtual private gateway"));
    }
    let missing = || format!("The gateway ID '{id}' does not exist");
    let row = snapshot.get::<InternetGatewayRow>(&key_of(place, &id));
    let row = row.ok_or_else(|| refuse("InvalidGatewayID.NotFound", missing()))?;
    same_network(table, &id, row.vpc.as_ref())?;
    Ok(Target::InternetGateway(id))
}

fn same_network(table: &RouteTableRow, id: &str, vpc: Option<&String>) -> Result<(), AwsError> {
    if vpc == Some(&table.vpc) {
        return Ok(());
    }
    let table = table.id();
    let text = format!("route table {table} and network gateway {id} belong to different networks");
    Err(invalid(text))
}

fn is_local(tx: &Tx, table: &RouteTableRow, destination: &Destination) -> bool {
    let vpc = tx.get::<VpcRow>(&key_of(&table.place(), &table.vpc));
    let ranges = vpc.iter().flat_map(|vpc| vpc.ranges.iter());
    ranges.map(|range| range.range().to_string()).any(|range| range == destination.text())
}

impl Command<CreateRoute> for Ec2 {
    fn command(&self, call: &Call, tx: &mut Tx, input: CreateRouteRequest) -> Answer<CreateRoute> {
        let place = place_of(call);
        settle(tx, &place);
        let table = RouteTableRow::find(tx, &place, &input.route_table_id)?;
        let to = Where(
            input.destination_cidr_block,
            input.destination_ipv6_cidr_block,
            input.destination_prefix_list_id,
        );
        let destination = to.read(&place)?;
        let via = via!(input);
        let target = via.read(tx, &table)?;
        let entry = RouteEntry { destination, target };
        if table.routes.contains(&entry) {
            return Ok(CreateRouteResult { r#return: Some(true) });
        }
        let taken = table.routes.iter().any(|known| known.destination == entry.destination);
        if taken || is_local(tx, &table, &entry.destination) {
            let text =
                format!("The route identified by {} already exists.", entry.destination.text());
            return Err(refuse("RouteAlreadyExists", text));
        }
        if table.routes.len() >= ROUTES_MAX {
            let text = "The maximum number of routes has been reached.";
            return Err(refuse("RouteLimitExceeded", text));
        }
        tx.update::<RouteTableRow>(&table.key, |row| row.routes.push(entry));
        Ok(CreateRouteResult { r#return: Some(true) })
    }
}

impl Command<ReplaceRoute> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: ReplaceRouteRequest,
    ) -> Answer<ReplaceRoute> {
        let place = place_of(call);
        settle(tx, &place);
        let table = RouteTableRow::find(tx, &place, &input.route_table_id)?;
        let to = Where(
            input.destination_cidr_block,
            input.destination_ipv6_cidr_block,
            input.destination_prefix_list_id,
        );
        let destination = to.read(&place)?;
        let via = via!(input);
        let Some(at) = table.routes.iter().position(|known| known.destination == destination)
        else {
            if input.local_target == Some(true) && is_local(tx, &table, &destination) {
                return Ok(ReplaceRouteOutput {}); // it is local
            }
            let text = format!(
                "There is no route defined for '{}' in the route table. Use CreateRoute instead.",
                destination.text()
            );
            return Err(invalid(text));
        };
        let target = via.read(tx, &table)?;
        tx.update::<RouteTableRow>(&table.key, |row| row.routes[at].target = target);
        Ok(ReplaceRouteOutput {})
    }
}

impl Command<DeleteRoute> for Ec2 {
    fn command(&self, call: &Call, tx: &mut Tx, input: DeleteRouteRequest) -> Answer<DeleteRoute> {
        let place = place_of(call);
        settle(tx, &place);
        let table = RouteTableRow::find(tx, &place, &input.route_table_id)?;
        let to = Where(
            input.destination_cidr_block,
            input.destination_ipv6_cidr_block,
            input.destination_prefix_list_id,
        );
        let destination = to.read(&place)?;
        let (text, id) = (destination.text(), table.id());
        if is_local(tx, &table, &destination) {
            return Err(invalid(format!("cannot remove local route {text} in route table {id}")));
        }
        let found = table.routes.iter().find(|known| known.destination == destination);
        match found.map(|route| &route.target) {
            None => {
                let text =
                    format!("no route with destination-cidr-block {text} in route table {id}");
                return Err(refuse("InvalidRoute.NotFound", text));
            }
            Some(Target::Endpoint(endpoint)) => {
                let text = format!("cannot remove VPC endpoint route {text} of {endpoint}");
                return Err(invalid(text));
            }
            Some(_) => {}
        }
        tx.update::<RouteTableRow>(&table.key, |row| {
            row.routes.retain(|known| known.destination != destination);
        });
        Ok(DeleteRouteOutput {})
    }
}
