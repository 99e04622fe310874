//! The room's tables. Every row belongs to an account in a region and has an id of EC2's form.

mod gateway;
mod ground;
mod interface;
mod network_acl;
mod resource;
mod route_table;
mod security_group;
mod token;
mod vpc;

pub(crate) use gateway::{
    AddressRow, DhcpOptionsRow, EndpointRow, InternetGatewayRow, NatGatewayRow, NatState,
};
pub(crate) use ground::GroundRow;
pub(crate) use interface::{Association, InterfaceRow, OwnAddress, held};
pub(crate) use network_acl::{AclEntry, NetworkAclRow};
pub(crate) use resource::{Key, Resource, key_of, resource, rows_of};
pub(crate) use route_table::{Destination, RouteEntry, RouteTableRow, TableAssociation, Target};
pub(crate) use security_group::{Peer, RuleRow, SecurityGroupRow, Traffic};
pub(crate) use token::TokenRow;
pub(crate) use vpc::{CidrAssociation, PlaceRow, SubnetRow, VpcRow};

use haar_ledger::Tables;

/// The room's tables, for the ledger.
pub fn tables() -> Tables {
    Tables::new()
        .with::<AddressRow>()
        .with::<DhcpOptionsRow>()
        .with::<EndpointRow>()
        .with::<GroundRow>()
        .with::<InterfaceRow>()
        .with::<InternetGatewayRow>()
        .with::<NatGatewayRow>()
        .with::<NetworkAclRow>()
        .with::<PlaceRow>()
        .with::<RouteTableRow>()
        .with::<RuleRow>()
        .with::<SecurityGroupRow>()
        .with::<SubnetRow>()
        .with::<TokenRow>()
        .with::<VpcRow>()
}
