//! Configurations of metrics, analyses, inventories and tiers. haar keeps and shows them: it makes
//! no request metrics, no analyses and no lists of objects, and moves nothing between tiers.

use std::ops::Bound;

use haar_kernel::{Answer, Call, Command, Query, page};
use haar_ledger::{Snapshot, Tx};
use haar_s3_contract::model::*;
use haar_wire::AwsError;

use crate::S3;
use crate::listing::read_token;
use crate::lookup::{edit, find_bucket};
use crate::refusal;
use crate::state::BucketRow;

/// Configurations of a page.
const PAGE: usize = 100;

fn no_configuration(row: &BucketRow) -> AwsError {
    let text = "The specified configuration does not exist.";
    refusal::no_configuration("NoSuchConfiguration", text, &row.name)
}

/// The four operations of one kind, which is a column of the bucket's row.
macro_rules! kept {
    (
        $column:ident, $member:ident, $list_member:ident,
        $put:ident($put_in:ident), $get:ident($get_in:ident) -> $get_out:ident,
        $delete:ident($delete_in:ident), $list:ident($list_in:ident) -> $list_out:ident
    ) => {
        impl Command<$put> for S3 {
            fn command(&self, _call: &Call, tx: &mut Tx, input: $put_in) -> Answer<$put> {
                let config = input.$member;
                if config.id != input.id {
                    return Err(refusal::malformed_xml());
                }
                edit(tx, &input.bucket, |row: &mut BucketRow| {
                    row.$column.insert(input.id.clone(), config);
                    Ok(())
                })?;
                Ok(Default::default())
            }
        }

        impl Query<$get> for S3 {
            fn query(&self, _call: &Call, snap: &Snapshot, input: $get_in) -> Answer<$get> {
                let row = find_bucket(snap, &input.bucket)?;
                let found = row.$column.get(&input.id).cloned();
                Ok($get_out { $member: Some(found.ok_or_else(|| no_configuration(&row))?) })
            }
        }

        impl Command<$delete> for S3 {
            fn command(&self, _call: &Call, tx: &mut Tx, input: $delete_in) -> Answer<$delete> {
                edit(tx, &input.bucket, |row: &mut BucketRow| {
                    match row.$column.remove(&input.id) {
                        Some(_) => Ok(()),
                        None => Err(no_configuration(row)),
                    }
                })?;
                Ok(Default::default())
            }
        }

        impl Query<$list> for S3 {
            fn query(&self, _call: &Call, snap: &Snapshot, input: $list_in) -> Answer<$list> {
                let row = find_bucket(snap, &input.bucket)?;
                let scope = format!("{}/{}", stringify!($column), row.id);
                let after = read_token(&scope, input.continuation_token.as_deref())?;
                let behind = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
                let all = row.$column.range::<str, _>((behind, Bound::Unbounded));
                let page = page(all, PAGE, &scope, |(id, _)| (*id).clone());
                Ok($list_out {
                    is_truncated: Some(page.next.is_some()),
                    $list_member: Some(page.items.into_iter().map(|(_, it)| it.clone()).collect()),
                    continuation_token: input.continuation_token,
                    next_continuation_token: page.next,
                })
            }
        }
    };
}

kept!(
    metrics, metrics_configuration, metrics_configuration_list,
    PutBucketMetricsConfiguration(PutBucketMetricsConfigurationRequest),
    GetBucketMetricsConfiguration(GetBucketMetricsConfigurationRequest)
        -> GetBucketMetricsConfigurationOutput,
    DeleteBucketMetricsConfiguration(DeleteBucketMetricsConfigurationRequest),
    ListBucketMetricsConfigurations(ListBucketMetricsConfigurationsRequest)
        -> ListBucketMetricsConfigurationsOutput
);
kept!(
    analytics, analytics_configuration, analytics_configuration_list,
    PutBucketAnalyticsConfiguration(PutBucketAnalyticsConfigurationRequest),
    GetBucketAnalyticsConfiguration(GetBucketAnalyticsConfigurationRequest)
        -> GetBucketAnalyticsConfigurationOutput,
    DeleteBucketAnalyticsConfiguration(DeleteBucketAnalyticsConfigurationRequest),
    ListBucketAnalyticsConfigurations(ListBucketAnalyticsConfigurationsRequest)
        -> ListBucketAnalyticsConfigurationsOutput
);
kept!(
    inventories, inventory_configuration, inventory_configuration_list,
    PutBucketInventoryConfiguration(PutBucketInventoryConfigurationRequest),
    GetBucketInventoryConfiguration(GetBucketInventoryConfigurationRequest)
        -> GetBucketInventoryConfigurationOutput,
    DeleteBucketInventoryConfiguration(DeleteBucketInventoryConfigurationRequest),
    ListBucketInventoryConfigurations(ListBucketInventoryConfigurationsRequest)
        -> ListBucketInventoryConfigurationsOutput
);
kept!(
    tiering, intelligent_tiering_configuration, intelligent_tiering_configuration_list,
    PutBucketIntelligentTieringConfiguration(PutBucketIntelligentTieringConfigurationRequest),
    GetBucketIntelligentTieringConfiguration(GetBucketIntelligentTieringConfigurationRequest)
        -> GetBucketIntelligentTieringConfigurationOutput,
    DeleteBucketIntelligentTieringConfiguration(DeleteBucketIntelligentTieringConfigurationRequest),
    ListBucketIntelligentTieringConfigurations(ListBucketIntelligentTieringConfigurationsRequest)
        -> ListBucketIntelligentTieringConfigurationsOutput
);
