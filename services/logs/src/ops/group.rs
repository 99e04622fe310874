//! Log groups: created, deleted, described.

use haar_kernel::{Answer, Call, Command, Query, mint_token, read_token};
use haar_ledger::{Snapshot, Tx};
use haar_logs_contract::model::{
    CreateLogGroup, CreateLogGroupRequest, DeleteLogGroup, DeleteLogGroupRequest,
    DescribeLogGroups, DescribeLogGroupsRequest, DescribeLogGroupsResponse, ListLogGroups,
    ListLogGroupsRequest, ListLogGroupsResponse, PutLogGroupDeletionProtection,
    PutLogGroupDeletionProtectionRequest,
};
use haar_wire::AwsError;

use super::tags;
use crate::Logs;
use crate::lookup::{find_group, group_key, identified_group};
use crate::refusal;
use crate::render;
use crate::rules::group_name::matches_regex_pattern;
use crate::state::{
    GarbageRow, GroupClass, GroupKey, GroupRow, MetricFilterRow, StreamRow, SubscriptionRow,
    filters_of, streams_of,
};

/// Groups on a page where the caller asks for no number.
const PAGE_COUNT: usize = 50;

/// AWS docs: *CloudWatch Logs API Reference > CreateLogGroup*.
impl Command<CreateLogGroup> for Logs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateLogGroupRequest,
    ) -> Answer<CreateLogGroup> {
        let key = group_key(call, &input.log_group_name);
        if tx.get::<GroupRow>(&key).is_some() {
            return Err(refusal::exists("log group"));
        }
        if input.log_group_name.to_lowercase().starts_with("aws/") {
            return Err(refusal::invalid("Log groups starting with AWS/ are reserved for AWS."));
        }
        let tags = input.tags.unwrap_or_default();
        tags::check_names(&tags)?;
        let class = input.log_group_class.and_then(|class| GroupClass::parse(class.as_str()));
        tx.put(GroupRow {
            class: class.unwrap_or_default(),
            deletion_protection: input.deletion_protection_enabled.unwrap_or_default(),
            tags,
            kms_key_id: input.kms_key_id,
            ..GroupRow::new(key, call.ids.draw(), call.now)
        });
        Ok(Default::default())
    }
}

/// AWS docs: *CloudWatch Logs API Reference > DeleteLogGroup*.
impl Command<DeleteLogGroup> for Logs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteLogGroupRequest,
    ) -> Answer<DeleteLogGroup> {
        let key = group_key(call, &input.log_group_name);
        let group = find_group(tx, &key)?;
        if group.deletion_protection {
            return Err(refusal::protected());
        }
        let streams: Vec<_> = streams_of(tx, &key).map(|row| row.key.clone()).collect();
        for stream in streams {
            tx.remove::<StreamRow>(&stream);
        }
        let filters: Vec<_> =
            filters_of::<SubscriptionRow>(tx, &key).map(|row| row.key.clone()).collect();
        for filter in filters {
            tx.remove::<SubscriptionRow>(&filter);
        }
        let filters: Vec<_> =
            filters_of::<MetricFilterRow>(tx, &key).map(|row| row.key.clone()).collect();
        for filter in filters {
            tx.remove::<MetricFilterRow>(&filter);
        }
        tx.remove::<GroupRow>(&key);
        tx.put(GarbageRow { group_id: group.id, stream_id: None });
        Ok(Default::default())
    }
}

/// AWS docs: *CloudWatch Logs API Reference > PutLogGroupDeletionProtection*.
impl Command<PutLogGroupDeletionProtection> for Logs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutLogGroupDeletionProtectionRequest,
    ) -> Answer<PutLogGroupDeletionProtection> {
        let key = identified_group(call, &input.log_group_identifier)?;
        let row = (*find_group(tx, &key)?).clone();
        let deletion_protection = input.deletion_protection_enabled;
        tx.put(GroupRow { deletion_protection, ..row });
        Ok(Default::default())
    }
}

/// AWS docs: *CloudWatch Logs API Reference > DescribeLogGroups*.
impl Query<DescribeLogGroups> for Logs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeLogGroupsRequest,
    ) -> Answer<DescribeLogGroups> {
        if input.log_group_name_prefix.is_some() && input.log_group_name_pattern.is_some() {
            return Err(refusal::invalid(
                "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
            ));
        }
        let wanted: Option<Vec<GroupKey>> = input
            .log_group_identifiers
            .map(|all| all.iter().map(|one| identified_group(call, one)).collect())
            .transpose()?;
        let pattern = input.log_group_name_pattern.unwrap_or_default();
        let class = input.log_group_class.map(|class| class.as_str());
        let prefix = input.log_group_name_prefix.unwrap_or_default();
        let groups = Listing { call, snapshot, prefix, token: input.next_token }.read(
            page_size(input.limit),
            |row| {
                row.key.name.contains(&pattern)
                    && class.is_none_or(|class| row.class.as_str() == class)
                    && wanted.as_ref().is_none_or(|wanted| wanted.contains(&row.key))
            },
        )?;
        let (rows, next_token) = groups;
        let log_groups = rows.iter().map(|row| render::group(snapshot, row)).collect();
        Ok(DescribeLogGroupsResponse { log_groups: Some(log_groups), next_token })
    }
}

/// AWS docs: *CloudWatch Logs API Reference > ListLogGroups*.
impl Query<ListLogGroups> for Logs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListLogGroupsRequest,
    ) -> Answer<ListLogGroups> {
        let pattern = input.log_group_name_pattern;
        let class = input.log_group_class.map(|class| class.as_str());
        let tags = input.log_group_tags.unwrap_or_default();
        // No group has data sources or field indexes here.
        let nothing = input.data_sources.is_some() || input.field_index_names.is_some();
        let listing = Listing { call, snapshot, prefix: String::new(), token: input.next_token };
        let (rows, next_token) = listing.read(page_size(input.limit), |row| {
            let fits = |pattern: &String| matches_regex_pattern(pattern, &row.key.name);
            !nothing
                && pattern.as_ref().is_none_or(fits)
                && class.is_none_or(|class| row.class.as_str() == class)
                && tags.iter().all(|filter| {
                    let values = filter.values.as_deref().unwrap_or_default();
                    let fits = |value: &String| values.is_empty() || values.contains(value);
                    row.tags.get(&filter.key).is_some_and(fits)
                })
        })?;
        let log_groups = rows.iter().map(|row| render::group_summary(row)).collect();
        Ok(ListLogGroupsResponse { log_groups: Some(log_groups), next_token })
    }
}

pub(super) fn page_size(limit: Option<i32>) -> usize {
    limit.map_or(PAGE_COUNT, |limit| usize::try_from(limit).unwrap_or(PAGE_COUNT))
}

/// A caller's groups by name, page by page. Tokens name the last group of a page.
struct Listing<'a> {
    call: &'a Call,
    snapshot: &'a Snapshot,
    prefix: String,
    token: Option<String>,
}

type GroupPage = (Vec<std::sync::Arc<GroupRow>>, Option<String>);

impl Listing<'_> {
    fn read(self, limit: usize, fits: impl Fn(&GroupRow) -> bool) -> Result<GroupPage, AwsError> {
        let scope = format!("logs.groups/{}", self.call.account);
        let after = match &self.token {
            Some(token) => Some(read_token(&scope, token).map_err(|_| refusal::bad_token())?),
            None => None,
        };
        let first = group_key(self.call, after.as_deref().unwrap_or(&self.prefix));
        let own = |row: &GroupRow| {
            let key = &row.key;
            key.account == self.call.account
                && key.region == self.call.region
                && key.name.starts_with(&self.prefix)
        };
        let mut rows = self
            .snapshot
            .range::<GroupRow>(first..)
            .skip_while(|row| after.as_ref().is_some_and(|after| row.key.name == *after))
            .take_while(|row| own(row))
            .filter(|row| fits(row));
        let page: Vec<_> = rows.by_ref().take(limit).collect();
        let more = rows.next().is_some();
        let last = page.last().filter(|_| more);
        let next = last.map(|row| mint_token(&scope, &row.key.name));
        Ok((page, next))
    }
}
