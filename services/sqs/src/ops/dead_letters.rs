//! Which queues send their dead letters to one.

use haar_kernel::{Answer, Call, Listing, Query};
use haar_ledger::Snapshot;
use haar_sqs_contract::{
    LIST_DEAD_LETTER_SOURCE_QUEUES, ListDeadLetterSourceQueues, ListDeadLetterSourceQueuesRequest,
    ListDeadLetterSourceQueuesResult,
};

use super::listing::{PAGE_MAX, bad_token, check_page};
use crate::Sqs;
use crate::lookup::find;
use crate::rules::url;
use crate::state::{QueueKey, QueueRow};

/// AWS docs: *Amazon SQS API Reference > ListDeadLetterSourceQueues*.
impl Query<ListDeadLetterSourceQueues> for Sqs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListDeadLetterSourceQueuesRequest,
    ) -> Answer<ListDeadLetterSourceQueues> {
        let is_paged = check_page(input.max_results)?;
        let row = find(snapshot, call, &input.queue_url)?;
        let schema = &LIST_DEAD_LETTER_SOURCE_QUEUES;
        let listing = Listing::of(schema, call, &input, PAGE_MAX, PAGE_MAX);
        let listing = listing.map_err(|_| bad_token())?;
        let (arn, key) = (row.key.arn(), &row.key);
        let first = QueueKey { name: String::new(), ..key.clone() };
        let near = snapshot
            .range::<QueueRow>(first..)
            .take_while(|row| row.key.account == key.account && row.key.region == key.region);
        let sources = near.filter(|row| {
            row.settings.redrive.as_ref().is_some_and(|(_, redrive)| redrive.target_arn == arn)
        });
        let page = listing.page(sources, |row| row.key.name.clone());
        let url = |key: &QueueKey| url::of(&call.endpoint, &key.account, &key.name);
        Ok(ListDeadLetterSourceQueuesResult {
            queue_urls: page.items.iter().map(|row| url(&row.key)).collect(),
            next_token: page.next.filter(|_| is_paged),
        })
    }
}
