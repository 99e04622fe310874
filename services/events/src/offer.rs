//! Buses as targets of others: what S3, Scheduler and Pipes send to them.

use std::sync::{Arc, Weak};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use haar_kernel::targets::{Consignment, Target, Undelivered};
use serde_json::{Map, Value};

use crate::Events;
use crate::lookup::get_bus;
use crate::publish::Publication;
use crate::rules::event::{Content, Origin, build};
use crate::state::BusKey;

/// The buses, for `doors.targets`.
///
/// The body is an event (`source`, `detail-type`, `detail`, perhaps `resources`, `time`, `id`);
/// with the parameters `Source` and `DetailType`, perhaps `Resources`, it is the detail alone.
pub(crate) struct BusTarget(pub(crate) Weak<Events>);

impl Target for BusTarget {
    fn deliver<'a>(
        &'a self,
        consignment: &'a Consignment,
    ) -> BoxFuture<'a, Result<(), Undelivered>> {
        async move {
            let room = self.0.upgrade().ok_or_else(|| refused("InternalException", "stopping"))?;
            let bus = BusKey::of_arn(&consignment.arn)
                .ok_or_else(|| refused("ValidationException", "the ARN names no event bus"))?;
            let (id, content) = read(consignment)?;
            let named = (content.source.as_str(), content.detail_type.as_str());
            room.admit(&consignment.sender, &bus, named)?;
            if get_bus(&room.doors.ledger.snapshot(), &bus).is_none() {
                let text = format!("Event bus {} does not exist.", bus.name);
                return Err(refused("ResourceNotFoundException", text));
            }
            let now = room.doors.clock.now();
            let id = id.unwrap_or_else(|| room.doors.ids.uuid());
            let account = &consignment.sender.principal.account;
            let region = &consignment.region;
            let event = build(Origin { id: &id, account, region, now }, content);
            let publication = Publication::new(bus, Arc::new(event), now);
            Ok(room.publish(&[publication]).await?)
        }
        .boxed()
    }
}

fn refused(code: &str, message: impl Into<String>) -> Undelivered {
    let is_transient = code == "InternalException";
    Undelivered { code: code.to_owned(), message: message.into(), is_transient }
}

/// The event's id, where it has one already, and its content.
fn read(consignment: &Consignment) -> Result<(Option<String>, Content), Undelivered> {
    let malformed = |_| refused("MalformedDetail", "Detail is malformed.");
    let body: Map<String, Value> = serde_json::from_slice(&consignment.body).map_err(malformed)?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    if let Some(parameters) = &consignment.parameters
        && let Some(source) = text(parameters.get("Source"))
    {
        let detail_type = text(parameters.get("DetailType")).unwrap_or_default();
        let resources = texts(parameters.get("Resources"));
        let content = Content { source, detail_type, resources, detail: body, time: None };
        return Ok((None, content));
    }
    let (Some(source), Some(detail_type)) =
        (text(body.get("source")), text(body.get("detail-type")))
    else {
        return Err(refused("InvalidArgument", "source and detail-type are required"));
    };
    let resources = texts(body.get("resources"));
    let detail = body.get("detail").and_then(Value::as_object).cloned().unwrap_or_default();
    let time = text(body.get("time")).and_then(|time| time.parse::<jiff::Timestamp>().ok());
    let time = time.map(|time| haar_types::Timestamp(time.as_millisecond()));
    Ok((text(body.get("id")), Content { source, detail_type, resources, time, detail }))
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}
