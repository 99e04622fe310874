//! Events as they stand on a bus.

use haar_events_contract::model::PutEventsRequestEntry;
use haar_types::{AccountId, Region, Timestamp};
use serde_json::{Map, Value};

/// Bytes of all entries of a request at most. AWS docs: *Calculating PutEvents event entry size*;
/// 256 KB until 2026.
pub(crate) const ENTRIES_SIZE_MAX: usize = 1024 * 1024;

/// Why an entry is not taken: code and text.
pub(crate) type Rejection = (&'static str, String);

/// What an event is made of beside what its sender says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) id: &'a str,
    pub(crate) account: &'a AccountId,
    pub(crate) region: &'a Region,
    pub(crate) now: Timestamp,
}

/// What a sender says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pub(crate) source: String,
    pub(crate) detail_type: String,
    pub(crate) resources: Vec<String>,
    pub(crate) time: Option<Timestamp>,
    pub(crate) detail: Map<String, Value>,
}

/// Bytes of an entry, as they are billed and bounded.
pub(crate) fn size(entry: &PutEventsRequestEntry) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let resources = entry.resources.iter().flatten().map(String::len).sum::<usize>();
    let time = if entry.time.is_some() { 14 } else { 0 };
    time + text(&entry.source) + text(&entry.detail_type) + text(&entry.detail) + resources
}

/// Reads an entry.
///
/// # Errors
/// Why it is not taken, as its result tells it.
pub(crate) fn read(entry: PutEventsRequestEntry) -> Result<Content, Rejection> {
    let required = |value: Option<String>, name: &str| {
        value.filter(|value| !value.is_empty()).ok_or_else(|| {
            let text =
                format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
            ("InvalidArgument", text)
        })
    };
    let source = required(entry.source, "Source")?;
    let detail_type = required(entry.detail_type, "DetailType")?;
    let detail = required(entry.detail, "Detail")?;
    if source.starts_with("aws.") {
        let text = "Not authorized for the source.".to_owned();
        return Err(("NotAuthorizedForSource", text));
    }
    let detail = serde_json::from_str(&detail)
        .map_err(|_| ("MalformedDetail", "Detail is malformed.".to_owned()))?;
    let resources = entry.resources.unwrap_or_default();
    Ok(Content { source, detail_type, resources, time: entry.time, detail })
}

/// The event as rules see it and targets get it.
pub(crate) fn build(origin: Origin<'_>, content: Content) -> Value {
    let members: [(&str, Value); 9] = [
        ("version", "0".into()),
        ("id", origin.id.into()),
        ("detail-type", content.detail_type.into()),
        ("source", content.source.into()),
        ("account", origin.account.as_str().into()),
        ("time", seconds(content.time.unwrap_or(origin.now)).into()),
        ("region", origin.region.as_str().into()),
        ("resources", content.resources.into()),
        ("detail", content.detail.into()),
    ];
    let mut event = Map::with_capacity(members.len());
    event.extend(members.map(|(name, value)| (name.to_owned(), value)));
    Value::Object(event)
}

/// `2026-01-31T09:30:00Z`.
pub(crate) fn seconds(at: Timestamp) -> String {
    Timestamp(at.seconds() * 1000).iso()
}

/// The event that a schedule's rule sends.
pub(crate) fn scheduled(origin: Origin<'_>, rule_arn: &str) -> Value {
    let content = Content {
        source: "aws.events".to_owned(),
        detail_type: "Scheduled Event".to_owned(),
        resources: vec![rule_arn.to_owned()],
        ..Content::default()
    };
    build(origin, content)
}

/// True for an event that `TestEventPattern` takes.
pub(crate) fn is_complete(event: &Value) -> bool {
    ["id", "account", "source", "time", "region", "resources", "detail-type"]
        .iter()
        .all(|name| event.get(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> PutEventsRequestEntry {
        PutEventsRequestEntry {
            source: Some("shop".to_owned()),
            detail_type: Some("order".to_owned()),
            detail: Some(r#"{"n": 1}"#.to_owned()),
            ..PutEventsRequestEntry::default()
        }
    }

    #[test]
    fn an_event_has_its_members_in_order() {
        let (account, region) = (AccountId::default(), Region::default());
        let now = Timestamp(1_769_851_800_125);
        let origin = Origin { id: "1-2", account: &account, region: &region, now };
        let event = build(origin, read(entry()).unwrap());
        assert_eq!(
            event.to_string(),
            "{\"version\":\"0\",\"id\":\"1-2\",\"detail-type\":\"order\",\"source\":\"shop\",\
             \"account\":\"000000000000\",\"time\":\"2026-01-31T09:30:00Z\",\
             \"region\":\"us-east-1\",\"resources\":[],\"detail\":{\"n\":1}}"
        );
        assert!(is_complete(&event));
    }

    #[test]
    fn entries_are_refused_one_by_one() {
        let code = |entry| read(entry).unwrap_err().0;
        assert_eq!(code(PutEventsRequestEntry { source: None, ..entry() }), "InvalidArgument");
        assert_eq!(code(PutEventsRequestEntry { detail: None, ..entry() }), "InvalidArgument");
        let aws = Some("aws.ec2".to_owned());
        assert_eq!(
            code(PutEventsRequestEntry { source: aws, ..entry() }),
            "NotAuthorizedForSource"
        );
        for detail in ["[1]", "{", "5"] {
            let detail = Some(detail.to_owned());
            assert_eq!(code(PutEventsRequestEntry { detail, ..entry() }), "MalformedDetail");
        }
        assert_eq!(size(&entry()), "shoporder{\"n\": 1}".len());
    }
}
