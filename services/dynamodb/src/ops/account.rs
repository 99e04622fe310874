//! Limits and endpoints.

use haar_dynamodb_contract::{
    DescribeEndpoints, DescribeEndpointsRequest, DescribeEndpointsResponse, DescribeLimits,
    DescribeLimitsInput, DescribeLimitsOutput, Endpoint,
};
use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;

use crate::Dynamodb;

/// Units that an account may provision for all its tables in a region, for each direction.
const ACCOUNT_UNITS: i64 = 80_000;

/// Units that one table may have.
const TABLE_UNITS: i64 = 40_000;

/// How long an endpoint may be remembered.
const ENDPOINT_MINUTES: i64 = 1440;

/// AWS docs: *Amazon DynamoDB API Reference > DescribeLimits*.
impl Query<DescribeLimits> for Dynamodb {
    fn query(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        _input: DescribeLimitsInput,
    ) -> Answer<DescribeLimits> {
        Ok(DescribeLimitsOutput {
            account_max_read_capacity_units: Some(ACCOUNT_UNITS),
            account_max_write_capacity_units: Some(ACCOUNT_UNITS),
            table_max_read_capacity_units: Some(TABLE_UNITS),
            table_max_write_capacity_units: Some(TABLE_UNITS),
        })
    }
}

/// AWS docs: *Amazon DynamoDB API Reference > DescribeEndpoints*.
impl Query<DescribeEndpoints> for Dynamodb {
    fn query(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        _input: DescribeEndpointsRequest,
    ) -> Answer<DescribeEndpoints> {
        let address = call.endpoint.split_once("://").map_or(&*call.endpoint, |(_, host)| host);
        let endpoint =
            Endpoint { address: address.to_owned(), cache_period_in_minutes: ENDPOINT_MINUTES };
        Ok(DescribeEndpointsResponse { endpoints: vec![endpoint] })
    }
}
