//! Filter patterns tried on sample messages.

use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;
use haar_logs_contract::model::{
    MetricFilterMatchRecord, TestMetricFilter, TestMetricFilterRequest, TestMetricFilterResponse,
};

use crate::Logs;
use crate::refusal;
use crate::rules::filter_pattern::FilterPattern;

/// AWS docs: *CloudWatch Logs API Reference > TestMetricFilter*.
impl Query<TestMetricFilter> for Logs {
    fn query(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        input: TestMetricFilterRequest,
    ) -> Answer<TestMetricFilter> {
        let pattern = FilterPattern::parse(&input.filter_pattern)
            .map_err(|error| refusal::invalid(error.to_string()))?;
        let numbered = (1..).zip(input.log_event_messages);
        let matches =
            numbered.filter(|(_, message)| pattern.matches(message)).map(|(number, message)| {
                MetricFilterMatchRecord {
                    event_number: Some(number),
                    extracted_values: Some(pattern.extract(&message)),
                    event_message: Some(message),
                }
            });
        Ok(TestMetricFilterResponse { matches: Some(matches.collect()) })
    }
}
