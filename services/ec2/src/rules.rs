//! Pure rules: ranges, ids, zones, filters, tags.

mod cidr;
mod filter;
mod ids;
mod prefix_lists;
mod tags;
mod zones;

pub(crate) use cidr::{overlaps, parse_ipv4, parse_ipv6, usable, within};
pub(crate) use filter::{Filters, flag};
pub(crate) use ids::{derived, domain, mac_of, mint, private_dns_name};
pub(crate) use prefix_lists::{ManagedList, PREFIX_LISTS, managed_list, managed_lists};
pub(crate) use tags::{add_tags, specified_tags, wire_tags};
pub(crate) use zones::{zone_id, zone_named, zones};
