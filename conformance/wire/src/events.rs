//! Outputs that are streams of events, out of JSON.

use futures_util::stream;
use haar_lambda_contract::model as lambda;
use haar_logs_contract::model as logs;
use haar_wire::{EventStream, Shape, from_json};
use serde_json::Value;

/// An output whose events are given: `[{"PayloadChunk": {…}}, …]`.
pub(crate) fn output(operation: &str, events: &[Value]) -> Result<Box<dyn Shape>, String> {
    Ok(match operation {
        "InvokeWithResponseStream" => Box::new(lambda::InvokeWithResponseStreamResponse {
            status_code: Some(200),
            executed_version: Some("$LATEST".to_owned()),
            event_stream: events_of(events, |name, json| {
                type Event = lambda::InvokeWithResponseStreamResponseEvent;
                Ok(match name {
                    "PayloadChunk" => Event::PayloadChunk(shape(json)?),
                    _ => Event::InvokeComplete(shape(json)?),
                })
            })?,
            response_stream_content_type: None,
        }),
        "StartLiveTail" => Box::new(logs::StartLiveTailResponse {
            response_stream: events_of(events, |name, json| {
                type Event = logs::StartLiveTailResponseStream;
                Ok(match name {
                    "sessionStart" => Event::SessionStart(shape(json)?),
                    _ => Event::SessionUpdate(shape(json)?),
                })
            })?,
        }),
        other => return Err(format!("{other} answers no events")),
    })
}

fn shape<T: Shape + Default>(json: Value) -> Result<T, String> {
    from_json(json).map_err(|error| error.to_string())
}

fn events_of<E: Send + 'static>(
    events: &[Value],
    make: impl Fn(&str, Value) -> Result<E, String>,
) -> Result<EventStream<E>, String> {
    let mut made = Vec::new();
    for (name, json) in events.iter().filter_map(Value::as_object).flatten() {
        made.push(Ok(make(name, json.clone())?));
    }
    Ok(EventStream::new(stream::iter(made)))
}
