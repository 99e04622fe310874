//! Lists of queues.

use haar_kernel::{Answer, Call, Listing, Query};
use haar_ledger::Snapshot;
use haar_sqs_contract::{LIST_QUEUES, ListQueues, ListQueuesRequest, ListQueuesResult};
use haar_wire::AwsError;

use crate::Sqs;
use crate::refusal::{invalid, invalid_value};
use crate::rules::url;
use crate::state::{QueueKey, QueueRow};

/// Queues of an answer at most.
pub(super) const PAGE_MAX: usize = 1000;

/// AWS docs: *Amazon SQS API Reference > ListQueues*.
impl Query<ListQueues> for Sqs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListQueuesRequest,
    ) -> Answer<ListQueues> {
        let is_paged = check_page(input.max_results)?;
        let listing = Listing::of(&LIST_QUEUES, call, &input, PAGE_MAX, PAGE_MAX);
        let listing = listing.map_err(|_| bad_token())?;
        let prefix = input.queue_name_prefix.unwrap_or_default();
        let first = QueueKey {
            account: call.account.clone(),
            region: call.region.clone(),
            name: listing.after().map_or(prefix.clone(), |after| after.max(&prefix).to_owned()),
        };
        let rows = snapshot.range::<QueueRow>(first..).take_while(|row| {
            let key = &row.key;
            key.account == call.account
                && key.region == call.region
                && key.name.starts_with(&prefix)
        });
        let page = listing.page(rows, |row| row.key.name.clone());
        let url = |key: &QueueKey| url::of(&call.endpoint, &key.account, &key.name);
        let urls: Vec<String> = page.items.iter().map(|row| url(&row.key)).collect();
        Ok(ListQueuesResult {
            queue_urls: Some(urls).filter(|urls| !urls.is_empty()),
            next_token: page.next.filter(|_| is_paged),
        })
    }
}

/// Whether the answer is to be paged: without `MaxResults` there is no token.
pub(super) fn check_page(max_results: Option<i32>) -> Result<bool, AwsError> {
    match max_results {
        Some(count) if !(1..=PAGE_MAX as i32).contains(&count) => {
            let reason = "MaxResults must be an integer between 1 and 1000.";
            Err(invalid_value(count.to_string(), "MaxResults", reason))
        }
        count => Ok(count.is_some()),
    }
}

pub(super) fn bad_token() -> AwsError {
    invalid("Invalid or expired next token.")
}
