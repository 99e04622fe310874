//! Listing parameters without their values.

use haar_kernel::{Answer, Call, Query, page};
use haar_ledger::Snapshot;
use haar_ssm_contract::{DescribeParameters, DescribeParametersRequest, DescribeParametersResult};

use super::get::{after, limit};
use crate::lookup::version;
use crate::refusal::invalid;
use crate::rules::filter;
use crate::state::parameters;
use crate::{Ssm, render};

/// Parameters of a page at most.
const PAGE_MAX: usize = 50;

impl Query<DescribeParameters> for Ssm {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeParametersRequest,
    ) -> Answer<DescribeParameters> {
        if input.filters.is_some() && input.parameter_filters.is_some() {
            let text = "You can use either Filters or ParameterFilters in a single request.";
            return Err(invalid(text));
        }
        let mut filters = filter::read(input.parameter_filters, filter::DESCRIBE)?;
        filters.extend(filter::older(input.filters));
        let shown: Vec<String> = filters.iter().map(filter::Filter::scope).collect();
        let scope = format!("DescribeParameters/{}/{}/{shown:?}", call.account, call.region);
        let after = after(&scope, input.next_token)?;
        let rows = parameters(snapshot, &call.account, &call.region, "");
        // Nobody shares parameters here.
        let rows = rows.filter(|row| {
            input.shared != Some(true) && after.as_ref().is_none_or(|last| row.key.2 > *last)
        });
        let found = rows.filter_map(|row| {
            let newest = version(snapshot, &row.key, row.version)?;
            let fits = filters.iter().all(|filter| filter.fits(&row, &newest));
            fits.then_some((row, newest))
        });
        let limit = limit(input.max_results, PAGE_MAX);
        let page = page(found, limit, &scope, |(row, _)| row.key.2.clone());
        let parameters = page.items.iter().map(|(row, newest)| render::metadata(row, newest));
        Ok(DescribeParametersResult {
            parameters: Some(parameters.collect()),
            next_token: page.next,
        })
    }
}
