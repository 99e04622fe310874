//! Patterns on trial.

use haar_events_contract::model::{
    TestEventPattern, TestEventPatternRequest, TestEventPatternResponse,
};
use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;
use haar_pattern::{Dialect, Pattern};
use serde_json::Value;

use crate::Events;
use crate::refusal::{bad_pattern, invalid};
use crate::rules::event::is_complete;

impl Query<TestEventPattern> for Events {
    fn query(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        input: TestEventPatternRequest,
    ) -> Answer<TestEventPattern> {
        let pattern = Pattern::compile(&input.event_pattern, &Dialect::EVENT_BUS);
        let pattern = pattern.map_err(bad_pattern)?;
        let event: Option<Value> = serde_json::from_str(&input.event).ok();
        let event = event.filter(is_complete);
        let event = event.ok_or_else(|| invalid("Parameter Event is not valid."))?;
        Ok(TestEventPatternResponse { result: Some(pattern.matches(&event)) })
    }
}
