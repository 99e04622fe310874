//! One file for each noun.

mod address;
mod dhcp_options;
mod endpoint;
mod interface;
mod interface_change;
mod internet_gateway;
mod naming;
mod nat_gateway;
mod network_acl;
mod permissions;
mod place;
mod prefix_list;
mod route;
mod route_table;
mod rule;
mod rule_listing;
mod security_group;
mod subnet;
mod tag;
mod vpc;
mod vpc_range;

pub(crate) use naming::{besides, named};
pub(crate) use tag::tags_of_id;
