//! How asynchronous invocations are retried and where they end.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Command, Flow, Query};
use haar_lambda_contract::model::{
    DeleteFunctionEventInvokeConfig, DestinationConfig, GetFunctionEventInvokeConfig,
    ListFunctionEventInvokeConfigs, ListFunctionEventInvokeConfigsResponse,
    PutFunctionEventInvokeConfig, UpdateFunctionEventInvokeConfig,
};
use haar_ledger::{Snapshot, Tx};

use super::Input;
use super::listing::Listing;
use crate::lookup::{find_unqualified, resolve, resolve_key};
use crate::rules::destination::{self, Ending};
use crate::rules::names::function_and_qualifier;
use crate::state::{EventInvokeRow, QualifiedKey};
use crate::{Lambda, Refusal, render};

/// The version or alias that is meant, which must be there.
fn find_subject(
    call: &Call,
    snapshot: &Snapshot,
    name: &str,
    qualifier: Option<&str>,
) -> Result<QualifiedKey, Refusal> {
    let found = resolve(snapshot, &call.account, &call.region, name, qualifier, 0.0);
    found.map(|found| found.settings_key()).map_err(|refusal| match refusal {
        Refusal::ResourceNotFound(_) => {
            Refusal::ResourceNotFound("The function doesn't exist.".to_owned())
        }
        other => other,
    })
}

/// The settings that are meant, which must be there.
fn find_config(
    call: &Call,
    snapshot: &Snapshot,
    name: &str,
    qualifier: Option<&str>,
) -> Result<Arc<EventInvokeRow>, Refusal> {
    let (function, qualifier) =
        function_and_qualifier(&call.account, &call.region, name, qualifier)?;
    let key = QualifiedKey::new(&function, Some(qualifier.as_deref().unwrap_or("$LATEST")));
    snapshot.get::<EventInvokeRow>(&key).ok_or_else(|| {
        let text = format!("The function {} doesn't have an EventInvokeConfig", key.arn());
        Refusal::ResourceNotFound(text)
    })
}

/// What a request sets.
struct Given {
    attempts: Option<i32>,
    age: Option<i32>,
    destinations: Option<DestinationConfig>,
}

impl Given {
    fn check(
        &self,
        room: &Lambda,
        snapshot: &Snapshot,
        subject: &QualifiedKey,
    ) -> Result<(), Refusal> {
        if self.attempts.is_none() && self.age.is_none() && self.destinations.is_none() {
            return Err(Refusal::invalid(
                "You must specify at least one of error handling or destination setting.",
            ));
        }
        let function = &subject.function;
        for (ending, arn) in
            [(Ending::Success, self.on_success()), (Ending::Failure, self.on_failure())]
        {
            let Some(arn) = arn else { continue };
            destination::check(&arn, ending, &function.arn())?;
            let version = resolve_key(snapshot, function, Some(&subject.qualifier), 0.0)?.version;
            room.check_destination(function, &version.settings.role, &arn)?;
        }
        Ok(())
    }

    /// Where results go, as far as it is given.
    fn destinations(&self) -> Vec<String> {
        self.on_success().into_iter().chain(self.on_failure()).collect()
    }

    fn on_success(&self) -> Option<String> {
        self.destinations
            .as_ref()?
            .on_success
            .as_ref()?
            .destination
            .clone()
            .filter(|arn| !arn.is_empty())
    }

    fn on_failure(&self) -> Option<String> {
        self.destinations
            .as_ref()?
            .on_failure
            .as_ref()?
            .destination
            .clone()
            .filter(|arn| !arn.is_empty())
    }

    /// Sets what is given and leaves the rest.
    fn apply(&self, row: &mut EventInvokeRow) {
        if let Some(attempts) = self.attempts {
            row.maximum_retry_attempts = Some(attempts.unsigned_abs());
        }
        if let Some(age) = self.age {
            row.maximum_event_age_s = Some(age.unsigned_abs());
        }
        if let Some(destinations) = &self.destinations {
            if destinations.on_success.is_some() {
                row.on_success = self.on_success();
            }
            if destinations.on_failure.is_some() {
                row.on_failure = self.on_failure();
            }
        }
    }
}

/// AWS docs: *Lambda API Reference > PutFunctionEventInvokeConfig*.
impl Flow<PutFunctionEventInvokeConfig> for Lambda {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: Input<PutFunctionEventInvokeConfig>,
    ) -> Answer<PutFunctionEventInvokeConfig> {
        let given = Given {
            attempts: input.maximum_retry_attempts,
            age: input.maximum_event_age_in_seconds,
            destinations: input.destination_config,
        };
        let (name, qualifier) = (&input.function_name, input.qualifier.as_deref());
        let snapshot = self.doors.ledger.snapshot();
        given.check(&self, &snapshot, &find_subject(&call, &snapshot, name, qualifier)?)?;
        drop(snapshot);
        self.check_queues_there(given.destinations().iter()).await?;
        let row = self.commit(|tx| {
            let mut row = EventInvokeRow {
                key: find_subject(&call, tx, name, qualifier)?,
                last_modified_at: call.now,
                maximum_retry_attempts: None,
                maximum_event_age_s: None,
                on_success: None,
                on_failure: None,
            };
            given.apply(&mut row);
            tx.put(row.clone());
            Ok(row)
        });
        Ok(render::event_invoke_config(&row.await?))
    }
}

/// AWS docs: *Lambda API Reference > UpdateFunctionEventInvokeConfig*.
impl Flow<UpdateFunctionEventInvokeConfig> for Lambda {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: Input<UpdateFunctionEventInvokeConfig>,
    ) -> Answer<UpdateFunctionEventInvokeConfig> {
        let given = Given {
            attempts: input.maximum_retry_attempts,
            age: input.maximum_event_age_in_seconds,
            destinations: input.destination_config,
        };
        let (name, qualifier) = (&input.function_name, input.qualifier.as_deref());
        let snapshot = self.doors.ledger.snapshot();
        let key = find_subject(&call, &snapshot, name, qualifier)?;
        find_config(&call, &snapshot, name, qualifier)?;
        given.check(&self, &snapshot, &key)?;
        drop(snapshot);
        self.check_queues_there(given.destinations().iter()).await?;
        let row = self.commit(|tx| {
            let present = find_config(&call, tx, name, qualifier)?;
            let mut row = EventInvokeRow::clone(&present);
            given.apply(&mut row);
            row.last_modified_at = call.now;
            tx.put(row.clone());
            Ok(row)
        });
        Ok(render::event_invoke_config(&row.await?))
    }
}

/// AWS docs: *Lambda API Reference > GetFunctionEventInvokeConfig*.
impl Query<GetFunctionEventInvokeConfig> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<GetFunctionEventInvokeConfig>,
    ) -> Answer<GetFunctionEventInvokeConfig> {
        let qualifier = input.qualifier.as_deref();
        let row = find_config(call, snapshot, &input.function_name, qualifier)?;
        Ok(render::event_invoke_config(&row))
    }
}

/// AWS docs: *Lambda API Reference > DeleteFunctionEventInvokeConfig*.
impl Command<DeleteFunctionEventInvokeConfig> for Lambda {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<DeleteFunctionEventInvokeConfig>,
    ) -> Answer<DeleteFunctionEventInvokeConfig> {
        let qualifier = input.qualifier.as_deref();
        let row = find_config(call, tx, &input.function_name, qualifier)?;
        tx.remove::<EventInvokeRow>(&row.key);
        Ok(Default::default())
    }
}

/// AWS docs: *Lambda API Reference > ListFunctionEventInvokeConfigs*.
impl Query<ListFunctionEventInvokeConfigs> for Lambda {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListFunctionEventInvokeConfigs>,
    ) -> Answer<ListFunctionEventInvokeConfigs> {
        let function =
            find_unqualified(snapshot, &call.account, &call.region, &input.function_name)?;
        let subject = format!("event-invoke-configs/{}", function.key.name);
        let listing = Listing::new(call, &subject, input.marker.as_deref(), input.max_items)?;
        let rows = snapshot.range::<EventInvokeRow>(QualifiedKey::all(&function.key));
        let page = listing.page(rows, |row| row.key.qualifier.clone());
        let shown = page.items.iter().map(|row| render::event_invoke_config(row)).collect();
        Ok(ListFunctionEventInvokeConfigsResponse {
            function_event_invoke_configs: Some(shown),
            next_marker: page.next,
        })
    }
}
