//! Gateways, elastic addresses, endpoints, DHCP options, prefix lists.

use haar_ec2_contract::{
    Address, AttributeValue, AvailabilityMode, ConnectivityType, DhcpConfiguration, DhcpOptions,
    DnsEntry, DnsOptions, DnsRecordIpType, DomainType, InternetGateway, InternetGatewayAttachment,
    IpAddressType, ManagedPrefixList, NatGateway, NatGatewayAddress, NatGatewayAddressStatus,
    NatGatewayState, PrefixListState, SecurityGroupIdentifier, State, VpcEndpoint, VpcEndpointType,
};
use haar_ledger::Snapshot;

use crate::rules::{managed_list, wire_tags};
use crate::state::{
    AddressRow, DhcpOptionsRow, EndpointRow, InterfaceRow, InternetGatewayRow, NatGatewayRow,
    NatState, Resource as _, SecurityGroupRow, key_of,
};

pub(crate) fn internet_gateway(row: &InternetGatewayRow) -> InternetGateway {
    let attachment = |vpc: &String| InternetGatewayAttachment {
        state: Some("available".to_owned()),
        vpc_id: Some(vpc.clone()),
    };
    InternetGateway {
        attachments: Some(row.vpc.iter().map(attachment).collect()),
        internet_gateway_id: Some(row.id().to_owned()),
        owner_id: Some(row.owner()),
        tags: wire_tags(&row.tags),
    }
}

pub(crate) fn nat_gateway(snapshot: &Snapshot, row: &NatGatewayRow) -> NatGateway {
    let kind = if row.is_public { ConnectivityType::Public } else { ConnectivityType::Private };
    let state = match row.state {
        NatState::Pending => NatGatewayState::Pending,
        NatState::Available => NatGatewayState::Available,
        NatState::Deleting => NatGatewayState::Deleting,
        NatState::Deleted => NatGatewayState::Deleted,
    };
    NatGateway {
        create_time: Some(row.created_at),
        delete_time: row.deleted_at,
        nat_gateway_addresses: Some(vec![nat_address(snapshot, row)]),
        nat_gateway_id: Some(row.id().to_owned()),
        state: Some(state),
        subnet_id: Some(row.subnet.clone()),
        vpc_id: Some(row.vpc.clone()),
        tags: wire_tags(&row.tags),
        connectivity_type: Some(kind),
        availability_mode: Some(AvailabilityMode::Zonal),
        ..NatGateway::default()
    }
}

/// A gateway's address. While the gateway is pending, AWS tells neither its interface nor its
/// addresses.
fn nat_address(snapshot: &Snapshot, row: &NatGatewayRow) -> NatGatewayAddress {
    let status = match row.state {
        NatState::Pending => NatGatewayAddressStatus::Associating,
        NatState::Available => NatGatewayAddressStatus::Succeeded,
        NatState::Deleting | NatState::Deleted => NatGatewayAddressStatus::Disassociating,
    };
    let pending = NatGatewayAddress {
        allocation_id: row.allocation.clone(),
        is_primary: Some(true),
        status: Some(status),
        ..NatGatewayAddress::default()
    };
    if row.state == NatState::Pending {
        return pending;
    }
    let allocation = row.allocation.as_ref();
    let elastic = allocation.and_then(|id| snapshot.get::<AddressRow>(&key_of(&row.place(), id)));
    NatGatewayAddress {
        network_interface_id: Some(row.interface.clone()),
        private_ip: Some(row.private_ip.to_string()),
        public_ip: row.public_ip.map(|address| address.to_string()),
        association_id: elastic.and_then(|elastic| elastic.association.clone()),
        ..pending
    }
}

pub(crate) fn address(snapshot: &Snapshot, row: &AddressRow) -> Address {
    let interface = row.interface.as_ref();
    let interface =
        interface.and_then(|id| snapshot.get::<InterfaceRow>(&key_of(&row.place(), id)));
    Address {
        allocation_id: Some(row.id().to_owned()),
        association_id: row.association.clone(),
        domain: Some(DomainType::Vpc),
        network_interface_id: row.interface.clone(),
        network_interface_owner_id: row.interface.as_ref().map(|_| row.owner()),
        private_ip_address: row.private_ip.map(|address| address.to_string()),
        tags: wire_tags(&row.tags),
        public_ipv4_pool: Some("amazon".to_owned()),
        network_border_group: Some(row.key.1.to_string()),
        subnet_id: interface.map(|interface| interface.subnet.clone()),
        public_ip: Some(row.public_ip.to_string()),
        ..Address::default()
    }
}

pub(crate) fn dhcp_options(row: &DhcpOptionsRow) -> DhcpOptions {
    let value = |text: &String| AttributeValue { value: Some(text.clone()) };
    let option = |(key, values): &(String, Vec<String>)| DhcpConfiguration {
        key: Some(key.clone()),
        values: Some(values.iter().map(value).collect()),
    };
    DhcpOptions {
        owner_id: Some(row.owner()),
        tags: wire_tags(&row.tags),
        dhcp_options_id: Some(row.id().to_owned()),
        dhcp_configurations: Some(row.options.iter().map(option).collect()),
    }
}

/// What an endpoint without a policy of its own allows: everything.
const OPEN_POLICY: &str = "{\"Version\":\"2008-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\
                           \"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}]}";

pub(crate) fn endpoint(snapshot: &Snapshot, row: &EndpointRow) -> VpcEndpoint {
    let place = row.place();
    let kind = if row.is_interface { VpcEndpointType::Interface } else { VpcEndpointType::Gateway };
    let group = |id: &String| SecurityGroupIdentifier {
        group_id: Some(id.clone()),
        group_name: snapshot
            .get::<SecurityGroupRow>(&key_of(&place, id))
            .map(|group| group.name.clone()),
    };
    let mut names = Vec::new();
    if row.is_interface {
        let service = row.service.rsplit('.').next().unwrap_or_default();
        names.push(DnsEntry {
            dns_name: Some(format!("{}.{service}.{}.vpce.amazonaws.com", row.id(), place.region)),
            hosted_zone_id: None, // haar hosts no DNS zones
        });
    }
    VpcEndpoint {
        vpc_endpoint_id: Some(row.id().to_owned()),
        vpc_endpoint_type: Some(kind),
        vpc_id: Some(row.vpc.clone()),
        service_name: Some(row.service.clone()),
        state: Some(State::Available),
        policy_document: Some(row.policy.clone().unwrap_or_else(|| OPEN_POLICY.to_owned())),
        route_table_ids: Some(row.route_tables.clone()),
        subnet_ids: Some(row.subnets.iter().map(|(subnet, _)| subnet.clone()).collect()),
        groups: Some(row.groups.iter().map(group).collect()),
        ip_address_type: Some(IpAddressType::Ipv4),
        dns_options: Some(DnsOptions {
            dns_record_ip_type: Some(DnsRecordIpType::Ipv4),
            ..DnsOptions::default()
        }),
        private_dns_enabled: Some(row.private_dns),
        requester_managed: Some(false),
        network_interface_ids: Some(row.subnets.iter().map(|(_, id)| id.clone()).collect()),
        dns_entries: Some(names),
        creation_timestamp: Some(row.created_at),
        tags: wire_tags(&row.tags),
        owner_id: Some(row.owner()),
        ..VpcEndpoint::default()
    }
}

/// A prefix list that AWS manages.
pub(crate) fn prefix_list(
    place: &haar_ec2_contract::peek::Place,
    id: &str,
) -> Option<ManagedPrefixList> {
    let list = managed_list(place, id)?;
    Some(ManagedPrefixList {
        prefix_list_arn: Some(format!("arn:aws:ec2:{}:aws:prefix-list/{}", place.region, list.id)),
        prefix_list_id: Some(list.id),
        address_family: Some("IPv4".to_owned()),
        state: Some(PrefixListState::CreateComplete),
        prefix_list_name: Some(list.name),
        tags: Some(Vec::new()),
        owner_id: Some("AWS".to_owned()),
        ..ManagedPrefixList::default()
    })
}
