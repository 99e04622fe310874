//! Capacity providers: Fargate's two, which nobody makes.

use haar_ecs_contract::model::{
    CapacityProvider, CapacityProviderStatus, CapacityProviderType, DescribeCapacityProviders,
    DescribeCapacityProvidersResponse,
};
use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;

use super::Input;
use crate::lookup::Listing;
use crate::rules::capacity::PROVIDERS;
use crate::{Ecs, render};

/// AWS docs: *Amazon ECS API Reference > DescribeCapacityProviders*.
impl Query<DescribeCapacityProviders> for Ecs {
    fn query(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        input: Input<DescribeCapacityProviders>,
    ) -> Answer<DescribeCapacityProviders> {
        let stem = format!("arn:aws:ecs:{}:{}:capacity-provider/", call.region, call.account);
        let named = input.capacity_providers.filter(|named| !named.is_empty());
        let named = named.unwrap_or_else(|| PROVIDERS.map(str::to_owned).to_vec());
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for name in named {
            let short = name.strip_prefix(&stem).unwrap_or(&name);
            match PROVIDERS.iter().find(|known| **known == short) {
                Some(known) => found.push(provider(&stem, known)),
                None => failures.push(render::missing(format!("{stem}{short}"))),
            }
        }
        let bounds = (input.next_token.as_deref(), input.max_results);
        let listing = Listing::new(call, "capacity-providers".to_owned(), bounds, 10)?;
        let page = listing.page(found, |one| one.name.clone().unwrap_or_default());
        Ok(DescribeCapacityProvidersResponse {
            capacity_providers: Some(page.items),
            failures: Some(failures),
            next_token: page.next,
        })
    }
}

fn provider(stem: &str, name: &str) -> CapacityProvider {
    CapacityProvider {
        capacity_provider_arn: Some(format!("{stem}{name}")),
        name: Some(name.to_owned()),
        status: Some(CapacityProviderStatus::Active),
        tags: Some(Vec::new()),
        r#type: name.parse::<CapacityProviderType>().ok(),
        ..Default::default()
    }
}
