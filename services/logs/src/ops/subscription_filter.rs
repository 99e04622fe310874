//! Subscription filters: which events of a group go on to a function or a stream.

use std::sync::Arc;

use haar_iam_contract::passing::check_pass_role;
use haar_kernel::{Answer, Call, Command, Flow, Query, mint_token, read_token};
use haar_ledger::{Row, Snapshot, Tx};
use haar_logs_contract::model::{
    DeleteSubscriptionFilter, DeleteSubscriptionFilterRequest, DescribeSubscriptionFilters,
    DescribeSubscriptionFiltersRequest, DescribeSubscriptionFiltersResponse, Distribution,
    PutSubscriptionFilter, PutSubscriptionFilterRequest, SubscriptionFilter,
};
use haar_wire::AwsError;

use super::group::page_size;
use crate::Logs;
use crate::fault::Fault;
use crate::lookup::{find_group, group_key};
use crate::refusal;
use crate::rules::filter_pattern::FilterPattern;
use crate::state::{FilterKey, GroupKey, SubscriptionRow, filters_of};
use crate::subscription::{Destination, SERVICE};

/// Subscription filters of a group.
const PER_GROUP_MAX: usize = 2;

/// Refuses what AWS has and haar has not.
pub(super) fn check_supported(is_asked: bool, member: &str) -> Result<(), AwsError> {
    match is_asked {
        true => Err(refusal::invalid(format!("{member} is not implemented by haar"))),
        false => Ok(()),
    }
}

/// AWS docs: *CloudWatch Logs API Reference > PutSubscriptionFilter*. The destination is tried
/// first: a stream gets a control message, a function tells whether it may be called.
impl Flow<PutSubscriptionFilter> for Logs {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: PutSubscriptionFilterRequest,
    ) -> Answer<PutSubscriptionFilter> {
        check_supported(input.apply_on_transformed_logs == Some(true), "applyOnTransformedLogs")?;
        check_supported(input.field_selection_criteria.is_some(), "fieldSelectionCriteria")?;
        check_supported(input.emit_system_fields.is_some(), "emitSystemFields")?;
        FilterPattern::parse(&input.filter_pattern)
            .map_err(|error| refusal::invalid(error.to_string()))?;
        let group = group_key(&call, &input.log_group_name);
        let snapshot = self.doors.ledger.snapshot();
        find_group(&snapshot, &group)?;
        if let Some(role) = &input.role_arn {
            check_pass_role(&self.doors, &call, &snapshot, role, SERVICE)?;
        }
        let mut row = SubscriptionRow {
            key: FilterKey::new(&group, &input.filter_name),
            pattern: input.filter_pattern,
            destination_arn: input.destination_arn,
            role_arn: input.role_arn,
            is_random: input.distribution == Some(Distribution::Random),
            created_at: call.now,
        };
        Destination::of(&row.destination_arn, row.role_arn.as_deref())?
            .check(&self.doors, &group)
            .await?;
        let committed = self.doors.ledger.transact(|tx| {
            find_group(tx, &group)?;
            match tx.get::<SubscriptionRow>(&row.key) {
                Some(known) => row.created_at = known.created_at,
                None if filters_of::<SubscriptionRow>(tx, &group).count() >= PER_GROUP_MAX => {
                    return Err(refusal::too_many());
                }
                None => {}
            }
            tx.put(row);
            Ok::<_, AwsError>(())
        })?;
        committed.durable().await.map_err(Fault::from)?;
        Ok(Default::default())
    }
}

/// AWS docs: *CloudWatch Logs API Reference > DescribeSubscriptionFilters*.
impl Query<DescribeSubscriptionFilters> for Logs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeSubscriptionFiltersRequest,
    ) -> Answer<DescribeSubscriptionFilters> {
        let group = group_key(call, &input.log_group_name);
        find_group(snapshot, &group)?;
        let prefix = input.filter_name_prefix.unwrap_or_default();
        let rows = filters_of::<SubscriptionRow>(snapshot, &group)
            .filter(|row| row.key.name.starts_with(&prefix));
        let token = input.next_token.as_deref();
        let (rows, next_token) = page_of(rows, ("subscription", &group), token, input.limit)?;
        let subscription_filters = Some(rows.iter().map(|row| shown(row)).collect());
        Ok(DescribeSubscriptionFiltersResponse { subscription_filters, next_token })
    }
}

/// A page of filters, which are in the order of their keys.
pub(super) fn page_of<R: Row<Key = FilterKey>>(
    rows: impl Iterator<Item = Arc<R>>,
    (kind, group): (&str, &GroupKey),
    token: Option<&str>,
    limit: Option<i32>,
) -> Result<(Vec<Arc<R>>, Option<String>), AwsError> {
    let scope = format!("logs.{kind}/{}/{}/{}", group.account, group.region, group.name);
    let after = token.map(|token| read_token(&scope, token)).transpose();
    let after = after.map_err(|_| refusal::bad_token())?;
    let place = |row: &Arc<R>| format!("{}\0{}", row.key().group.name, row.key().name);
    let mut rows = rows.filter(|row| after.as_ref().is_none_or(|after| place(row) > *after));
    let page: Vec<_> = rows.by_ref().take(page_size(limit)).collect();
    let more = rows.next().is_some();
    let last = page.last().filter(|_| more);
    let next = last.map(|row| mint_token(&scope, &place(row)));
    Ok((page, next))
}

fn shown(row: &SubscriptionRow) -> SubscriptionFilter {
    let distribution = match row.is_random {
        true => Distribution::Random,
        false => Distribution::ByLogStream,
    };
    SubscriptionFilter {
        filter_name: Some(row.key.name.clone()),
        log_group_name: Some(row.key.group.name.clone()),
        filter_pattern: Some(row.pattern.clone()),
        destination_arn: Some(row.destination_arn.clone()),
        role_arn: row.role_arn.clone(),
        distribution: Some(distribution),
        apply_on_transformed_logs: Some(false),
        creation_time: Some(row.created_at.0),
        ..SubscriptionFilter::default()
    }
}

/// AWS docs: *CloudWatch Logs API Reference > DeleteSubscriptionFilter*.
impl Command<DeleteSubscriptionFilter> for Logs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteSubscriptionFilterRequest,
    ) -> Answer<DeleteSubscriptionFilter> {
        let group = group_key(call, &input.log_group_name);
        find_group(tx, &group)?;
        let key = FilterKey::new(&group, &input.filter_name);
        if !tx.contains::<SubscriptionRow>(&key) {
            return Err(refusal::no_filter("subscription"));
        }
        tx.remove::<SubscriptionRow>(&key);
        Ok(Default::default())
    }
}
