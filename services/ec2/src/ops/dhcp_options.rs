//! DHCP options.

use haar_ec2_contract::{
    CreateDhcpOptions, CreateDhcpOptionsRequest, CreateDhcpOptionsResult, DeleteDhcpOptions,
    DeleteDhcpOptionsOutput, DeleteDhcpOptionsRequest, DescribeDhcpOptions,
    DescribeDhcpOptionsRequest, DescribeDhcpOptionsResult, ResourceType,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};

use crate::listing::{ask, describe, place_of};
use crate::refusal::{dependency, invalid, missing};
use crate::rules::{mint, specified_tags};
use crate::state::{DhcpOptionsRow, Resource, VpcRow, key_of, rows_of};
use crate::world::{seen, settle};
use crate::{Ec2, render};

/// Options that a set may have. AWS docs: *Amazon VPC User Guide > DHCP option sets*.
const KNOWN: &[&str] = &[
    "domain-name",
    "domain-name-servers",
    "ntp-servers",
    "netbios-name-servers",
    "netbios-node-type",
    "ipv6-address-preferred-lease-time",
];

impl Command<CreateDhcpOptions> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateDhcpOptionsRequest,
    ) -> Answer<CreateDhcpOptions> {
        let place = place_of(call);
        settle(tx, &place);
        let tags = specified_tags(input.tag_specifications, ResourceType::DhcpOptions)?;
        let mut options = Vec::new();
        for option in input.dhcp_configurations {
            let key = option.key.unwrap_or_default();
            let values = option.values.unwrap_or_default();
            if !KNOWN.contains(&key.as_str()) {
                let text = format!(
                    "Value ({key}) for parameter name is invalid. Unknown DHCP \
                                    option"
                );
                return Err(invalid(text));
            }
            if values.is_empty() {
                return Err(missing("dhcpConfigurationSet.item.value"));
            }
            options.push((key, values));
        }
        if options.is_empty() {
            return Err(missing("dhcpConfigurationSet"));
        }
        options.sort_by(|one, other| one.0.cmp(&other.0)); // whatever order they were given in
        let row = DhcpOptionsRow { key: key_of(&place, &mint(&call.ids, "dopt")), options, tags };
        let dhcp_options = Some(render::dhcp_options(&row));
        tx.put(row);
        Ok(CreateDhcpOptionsResult { dhcp_options })
    }
}

impl Query<DescribeDhcpOptions> for Ec2 {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeDhcpOptionsRequest,
    ) -> Answer<DescribeDhcpOptions> {
        let place = place_of(call);
        let snapshot = seen(snapshot, &place);
        let ask = ask!(input, dhcp_options_ids);
        let page = describe::<DhcpOptionsRow>(&snapshot, &place, ask, |row, name| {
            let options = row.options.iter();
            Some(match name {
                "dhcp-options-id" => vec![row.id().to_owned()],
                "key" => options.map(|(key, _)| key.clone()).collect(),
                "value" => options.flat_map(|(_, values)| values.clone()).collect(),
                "owner-id" => vec![row.owner()],
                _ => return None,
            })
        })?;
        Ok(DescribeDhcpOptionsResult {
            dhcp_options: Some(page.items.iter().map(|row| render::dhcp_options(row)).collect()),
            next_token: page.next,
        })
    }
}

impl Command<DeleteDhcpOptions> for Ec2 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteDhcpOptionsRequest,
    ) -> Answer<DeleteDhcpOptions> {
        let place = place_of(call);
        settle(tx, &place);
        let row = DhcpOptionsRow::find(tx, &place, &input.dhcp_options_id)?;
        let id = Some(row.id().to_owned());
        if rows_of::<VpcRow>(tx, &place).any(|vpc| vpc.dhcp_options == id) {
            return Err(dependency("dhcpOptions", row.id()));
        }
        tx.remove::<DhcpOptionsRow>(&row.key);
        Ok(DeleteDhcpOptionsOutput {})
    }
}
