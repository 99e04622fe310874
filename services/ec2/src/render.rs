//! Rows as answers show them.

mod gateway;
mod interface;
mod network_acl;
mod route_table;
mod security_group;
mod vpc;

pub(crate) use gateway::{
    address, dhcp_options, endpoint, internet_gateway, nat_gateway, prefix_list,
};
pub(crate) use interface::{group_identifiers, interface};
pub(crate) use network_acl::{entry_fits, network_acl};
pub(crate) use route_table::{route_table, routes};
pub(crate) use security_group::{
    added_rule, permission_of, revoked, rule, security_group, tell_traffic,
};
pub(crate) use vpc::{cidr_association, made_vpc, subnet, vpc};
