//! Invocations.

use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use futures_util::StreamExt as _;
use haar_kernel::{Answer, Call, Flow};
use haar_lambda_contract::model::{
    self, InvocationResponse, InvocationType, Invoke, InvokeAsync, InvokeAsyncResponse,
    InvokeResponseStreamUpdate, InvokeWithResponseStream, InvokeWithResponseStreamCompleteEvent,
    InvokeWithResponseStreamResponse, InvokeWithResponseStreamResponseEvent, LogType,
    ResponseStreamingInvocationType,
};
use haar_wire::{AwsError, Body, EventStream};

use super::Input;
use crate::fleet::{InvokeError, InvokeRequest, StreamEvent, ThrottleReason};
use crate::invoke::{
    ASYNC_PAYLOAD_BYTES_MAX, LOOP_MESSAGE, PayloadError, check_async, check_sync,
    decode_client_context,
};
use crate::lookup::{ResolvedVersion, resolve};
use crate::{Lambda, Refusal};

/// AWS docs: *Lambda API Reference > Invoke*.
impl Flow<Invoke> for Lambda {
    async fn flow(self: Arc<Self>, call: Call, input: Input<Invoke>) -> Answer<Invoke> {
        let payload = input.payload.unwrap_or_default();
        let qualifier = input.qualifier.as_deref();
        let resolved = self.invocable(&call, &input.function_name, qualifier)?;
        check_no_tenant(input.tenant_id.as_deref())?;
        if input.durable_execution_name.is_some() {
            return Err(Refusal::invalid(NOT_DURABLE).into());
        }
        match input.invocation_type.unwrap_or(InvocationType::RequestResponse) {
            InvocationType::DryRun => {
                return Ok(InvocationResponse { status_code: Some(204), ..Default::default() });
            }
            InvocationType::Event => {
                check_async(&payload).map_err(refused)?;
                self.enqueue(&call, &resolved, payload).await?;
                return Ok(InvocationResponse { status_code: Some(202), ..Default::default() });
            }
            InvocationType::RequestResponse => check_sync(&payload).map_err(refused)?,
        }
        let context = input.client_context.as_deref().map(decode_client_context).transpose();
        let context = context.map_err(refused)?;
        let wants_tail = input.log_type == Some(LogType::Tail);
        let request = self.request(&call, &resolved, payload, context, wants_tail)?;
        let target = self.cached_target(&resolved.version);
        let outcome = self.fleet.invoke(target, request).await.map_err(not_reached)?;
        Ok(InvocationResponse {
            status_code: Some(200),
            function_error: outcome.function_error.map(|_| "Unhandled".to_owned()),
            log_result: outcome.log_tail.map(base64_of),
            payload: Some(outcome.payload),
            executed_version: Some(outcome.executed_version),
            ..Default::default()
        })
    }
}

/// AWS docs: *Lambda API Reference > InvokeAsync*.
impl Flow<InvokeAsync> for Lambda {
    async fn flow(self: Arc<Self>, call: Call, input: Input<InvokeAsync>) -> Answer<InvokeAsync> {
        let resolved = self.invocable(&call, &input.function_name, None)?;
        let payload = read(input.invoke_args).await?;
        check_async(&payload).map_err(refused)?;
        self.enqueue(&call, &resolved, payload).await?;
        Ok(InvokeAsyncResponse { status: Some(202) })
    }
}

/// AWS docs: *Lambda API Reference > InvokeWithResponseStream*.
impl Flow<InvokeWithResponseStream> for Lambda {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: Input<InvokeWithResponseStream>,
    ) -> Answer<InvokeWithResponseStream> {
        let payload = input.payload.unwrap_or_default();
        let qualifier = input.qualifier.as_deref();
        let resolved = self.invocable(&call, &input.function_name, qualifier)?;
        check_no_tenant(input.tenant_id.as_deref())?;
        check_sync(&payload).map_err(refused)?;
        if input.invocation_type == Some(ResponseStreamingInvocationType::DryRun) {
            let status_code = Some(204);
            return Ok(InvokeWithResponseStreamResponse { status_code, ..Default::default() });
        }
        let context = input.client_context.as_deref().map(decode_client_context).transpose();
        let context = context.map_err(refused)?;
        let wants_tail = input.log_type == Some(LogType::Tail);
        let request = self.request(&call, &resolved, payload, context, wants_tail)?;
        let target = self.cached_target(&resolved.version);
        let stream = self.fleet.invoke_streaming(target, request).await.map_err(not_reached)?;
        let events = futures_util::stream::unfold(stream.events, |mut events| async {
            let event = events.recv().await?;
            Some((Ok::<_, AwsError>(event_of(event)), events))
        });
        Ok(InvokeWithResponseStreamResponse {
            status_code: Some(200),
            executed_version: Some(stream.executed_version),
            event_stream: EventStream::new(events),
            response_stream_content_type: Some(stream.content_type),
        })
    }
}

impl Lambda {
    /// Finds what is to be invoked, if it can be.
    fn invocable(
        &self,
        call: &Call,
        name: &str,
        qualifier: Option<&str>,
    ) -> Result<ResolvedVersion, AwsError> {
        let snapshot = self.doors.ledger.snapshot();
        let chance = call.ids.draw() as f64 / u64::MAX as f64;
        let resolved = resolve(&snapshot, &call.account, &call.region, name, qualifier, chance)?;
        resolved.check_invocable()?;
        Ok(resolved)
    }

    fn request(
        &self,
        call: &Call,
        resolved: &ResolvedVersion,
        event: Bytes,
        client_context: Option<String>,
        wants_tail: bool,
    ) -> Result<InvokeRequest, AwsError> {
        let alias = resolved.alias.as_ref().map(|alias| alias.name.clone());
        let link = self.link(&resolved.function, &resolved.version, call.trace.as_deref());
        if link.is_loop {
            self.count_stopped(&resolved.version, alias.as_deref());
            let (r#type, message) = (Some("User".to_owned()), Some(LOOP_MESSAGE.to_owned()));
            return Err(model::RecursiveInvocationException { r#type, message }.into());
        }
        Ok(InvokeRequest {
            request_id: call.request_id.clone(),
            invoked_arn: resolved.invoked_arn().to_string(),
            event,
            client_context,
            trace: Some(link.trace),
            limits: self.cached_limits(&resolved.function),
            wants_tail,
            alias,
        })
    }

    /// Keeps an event; the caller may be told 202 when this resolves.
    async fn enqueue(
        &self,
        call: &Call,
        resolved: &ResolvedVersion,
        payload: Bytes,
    ) -> Result<(), AwsError> {
        let queue = self.queue()?;
        let key = &resolved.function.key;
        let place = (&key.account, &key.region);
        let qualifier = resolved.qualifier.as_deref();
        let mut event = queue.event(&call.request_id, place, &key.name, qualifier, payload);
        let link = self.link(&resolved.function, &resolved.version, call.trace.as_deref());
        (event.trace, event.is_loop) = (Some(link.trace), link.is_loop);
        queue.accept(event).await.map_err(|error| {
            tracing::error!(%error, "an event was not kept");
            AwsError::internal_failure("the event could not be kept")
        })
    }
}

/// What a name for a durable execution is told: no function here is durable. *Ours*.
const NOT_DURABLE: &str = "DurableExecutionName can be given for durable functions alone.";

/// No function here isolates tenants. AWS docs: *Troubleshooting tenant isolation*.
fn check_no_tenant(tenant: Option<&str>) -> Result<(), Refusal> {
    match tenant {
        Some(_) => Err(Refusal::invalid(
            "Tenant ID configuration not specified or passed to a function when tenant isolation \
             is not enabled.",
        )),
        None => Ok(()),
    }
}

async fn read(body: Body) -> Result<Bytes, AwsError> {
    let mut whole = Vec::new();
    let mut chunks = std::pin::pin!(body.into_stream());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| AwsError::internal_failure(error.to_string()))?;
        whole.extend_from_slice(&chunk);
        if whole.len() > ASYNC_PAYLOAD_BYTES_MAX {
            break; // refused by its size
        }
    }
    Ok(whole.into())
}

fn event_of(event: StreamEvent) -> InvokeWithResponseStreamResponseEvent {
    match event {
        StreamEvent::Payload(payload) => {
            let payload = Some(payload);
            InvokeWithResponseStreamResponseEvent::PayloadChunk(InvokeResponseStreamUpdate {
                payload,
            })
        }
        StreamEvent::Complete { error_code, error_details, log_tail } => {
            let log_result = log_tail.map(base64_of);
            InvokeWithResponseStreamResponseEvent::InvokeComplete(
                InvokeWithResponseStreamCompleteEvent { error_code, error_details, log_result },
            )
        }
    }
}

fn base64_of(text: String) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn refused(error: PayloadError) -> AwsError {
    let (r#type, message) = (Some("User".to_owned()), Some(error.to_string()));
    match error {
        PayloadError::TooLarge { .. } => model::RequestTooLargeException { r#type, message }.into(),
        PayloadError::NotJson(_) | PayloadError::ClientContext => {
            model::InvalidRequestContentException { r#type, message }.into()
        }
    }
}

fn not_reached(error: InvokeError) -> AwsError {
    let text = error.to_string();
    let message = Some(text.clone());
    match error {
        InvokeError::TooManyRequests(reason) => {
            let reason = match reason {
                ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded => {
                    model::ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded
                }
                ThrottleReason::ConcurrentInvocationLimitExceeded => {
                    model::ThrottleReason::ConcurrentInvocationLimitExceeded
                }
                ThrottleReason::FunctionInvocationRateLimitExceeded => {
                    model::ThrottleReason::FunctionInvocationRateLimitExceeded
                }
            };
            let (retry_after_seconds, r#type) = (None, Some("User".to_owned()));
            let reason = Some(reason);
            model::TooManyRequestsException { retry_after_seconds, r#type, message, reason }.into()
        }
        InvokeError::InvalidRuntime(_) => {
            model::InvalidRuntimeException { r#type: Some("User".to_owned()), message }.into()
        }
        InvokeError::Role => AwsError::access_denied(text),
        InvokeError::Service(_) => {
            model::ServiceException { r#type: Some("Service".to_owned()), message }.into()
        }
    }
}
