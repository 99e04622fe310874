//! API destinations for other rooms: pipes call them.

use std::sync::{Arc, Weak};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use haar_caller::{BrokenOff, TooLong};
use haar_events_contract::destinations::{ApiDestinations, DestinationAnswer, DestinationCall};
use haar_events_contract::model::HttpParameters;
use haar_kernel::Question;
use haar_kernel::targets::Undelivered;

use crate::Events;

/// Bytes of an answer at most: what a pipe takes of an enrichment.
const ANSWER_MAX: usize = 6 << 20;

/// The destinations, for `doors.peeks`.
pub(crate) struct Destinations(pub(crate) Weak<Events>);

impl ApiDestinations for Destinations {
    fn call(&self, call: DestinationCall) -> BoxFuture<'_, Result<DestinationAnswer, Undelivered>> {
        async move {
            let room = self.0.upgrade().ok_or_else(|| Undelivered {
                code: "InternalException".to_owned(),
                message: "haar is stopping".to_owned(),
                is_transient: true,
            })?;
            room.call_for(call).await
        }
        .boxed()
    }
}

impl Events {
    /// Calls a destination for somebody who may: `events:InvokeApiDestination`.
    async fn call_for(&self, call: DestinationCall) -> Result<DestinationAnswer, Undelivered> {
        self.may_call(&call)?;
        let refused = |failure: super::failure::Failure| Undelivered {
            code: failure.code.to_owned(),
            message: failure.message,
            is_transient: failure.is_transient,
        };
        let (destination, connection) = self.called(&call.arn).map_err(refused)?;
        let given = HttpParameters {
            path_parameter_values: Some(call.path_parameter_values),
            header_parameters: Some(call.header_parameters),
            query_string_parameters: Some(call.query_string_parameters),
        };
        let ends = (&*destination, &*connection);
        self.http.take_turn(&self.doors.clock, &destination).await;
        let answered = self.call_endpoint(ends, &given, call.body, ANSWER_MAX).await;
        let answered = answered.map_err(refused)?;
        if let Some(BrokenOff(how)) = answered.extensions().get() {
            return Err(Undelivered {
                code: "CONNECTION_FAILURE".to_owned(),
                message: format!("the endpoint's answer broke off: {how}"),
                is_transient: true,
            });
        }
        if answered.extensions().get::<TooLong>().is_some() {
            return Err(Undelivered {
                code: "ERROR_FROM_TARGET".to_owned(),
                message: "the endpoint answered more than 6 MB".to_owned(),
                is_transient: false,
            });
        }
        Ok(DestinationAnswer { status: answered.status().as_u16(), body: answered.into_body() })
    }

    fn may_call(&self, call: &DestinationCall) -> Result<(), Undelivered> {
        let as_caller = self.doors.call_as(Arc::clone(&call.principal), call.region.clone());
        let question = Question {
            action: "events:InvokeApiDestination",
            resource: &call.arn,
            policy: None,
            keys: &[],
        };
        Ok(self.doors.authorise(&as_caller, &question)?)
    }
}
