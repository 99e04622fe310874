//! Which listeners hear of what.

use std::collections::BTreeSet;

use haar_s3_contract::model::{Event, NotificationConfiguration, NotificationConfigurationFilter};
use haar_wire::AwsError;

/// Somebody who hears of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener<'a> {
    /// A queue, a topic or a function, by the configuration of that id.
    Arn { arn: &'a str, id: &'a str },
    /// The account's default bus.
    EventBridge,
}

/// One configuration, whatever its kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Configured<'a> {
    pub(crate) arn: &'a str,
    pub(crate) id: Option<&'a str>,
    pub(crate) events: &'a [Event],
    pub(crate) filter: Option<&'a NotificationConfigurationFilter>,
}

/// All configurations of queues, topics and functions.
pub(crate) fn all(config: &NotificationConfiguration) -> impl Iterator<Item = Configured<'_>> {
    let queues = config.queue_configurations.iter().flatten().map(|one| Configured {
        arn: &one.queue_arn,
        id: one.id.as_deref(),
        events: &one.events,
        filter: one.filter.as_ref(),
    });
    let topics = config.topic_configurations.iter().flatten().map(|one| Configured {
        arn: &one.topic_arn,
        id: one.id.as_deref(),
        events: &one.events,
        filter: one.filter.as_ref(),
    });
    let functions = config.lambda_function_configurations.iter().flatten();
    let functions = functions.map(|one| Configured {
        arn: &one.lambda_function_arn,
        id: one.id.as_deref(),
        events: &one.events,
        filter: one.filter.as_ref(),
    });
    queues.chain(topics).chain(functions)
}

/// Who hears of an event of that name, such as `ObjectCreated:Put`, with that key.
pub(crate) fn listeners<'a>(
    config: &'a NotificationConfiguration,
    name: &str,
    key: &str,
) -> Vec<Listener<'a>> {
    let heard = all(config).filter(|one| {
        one.events.iter().any(|event| covers(*event, name)) && lets_through(one.filter, key)
    });
    let mut listeners: Vec<Listener<'a>> =
        heard.map(|one| Listener::Arn { arn: one.arn, id: one.id.unwrap_or_default() }).collect();
    if config.event_bridge_configuration.is_some() {
        listeners.push(Listener::EventBridge);
    }
    listeners
}

/// Whether `s3:ObjectCreated:*` is about `ObjectCreated:Put`.
fn covers(event: Event, name: &str) -> bool {
    let event = event.as_str().strip_prefix("s3:").unwrap_or_default();
    match event.strip_suffix('*') {
        Some(stem) => name.starts_with(stem),
        None => name == event,
    }
}

/// The prefix and the suffix that a filter asks for.
fn ends(filter: Option<&NotificationConfigurationFilter>) -> (&str, &str) {
    let rules = filter.and_then(|filter| filter.key.as_ref()?.filter_rules.as_deref());
    let find = |wanted: &str| {
        let mut rules = rules.unwrap_or_default().iter();
        let found = rules.find(|rule| {
            rule.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(wanted))
        });
        found.and_then(|rule| rule.value.as_deref()).unwrap_or_default()
    };
    (find("prefix"), find("suffix"))
}

fn lets_through(filter: Option<&NotificationConfigurationFilter>, key: &str) -> bool {
    let (prefix, suffix) = ends(filter);
    key.starts_with(prefix) && key.ends_with(suffix)
}

/// Refuses configurations that AWS refuses before it looks at destinations.
pub(crate) fn check(config: &NotificationConfiguration) -> Result<(), AwsError> {
    let configured: Vec<Configured<'_>> = all(config).collect();
    let mut ids = BTreeSet::new();
    if !configured.iter().filter_map(|one| one.id).all(|id| ids.insert(id)) {
        return Err(invalid("Same ID used for multiple configurations. IDs must be unique"));
    }
    for one in &configured {
        if one.events.is_empty() {
            return Err(crate::refusal::malformed_xml());
        }
        let rules = one.filter.and_then(|filter| filter.key.as_ref()?.filter_rules.as_deref());
        let mut seen = Vec::new();
        for rule in rules.unwrap_or_default() {
            let name = rule.name.as_deref().unwrap_or_default().to_ascii_lowercase();
            if name != "prefix" && name != "suffix" {
                return Err(invalid("filter rule name must be either prefix or suffix"));
            }
            if seen.contains(&name) {
                let text = format!("Cannot specify more than one {name} rule in a filter.");
                return Err(invalid(&text));
            }
            seen.push(name);
        }
    }
    for (at, one) in configured.iter().enumerate() {
        if configured[..at].iter().any(|other| overlap(one, other)) {
            return Err(invalid(
                "Configurations overlap. Configurations on the same bucket cannot share a common \
                 event type.",
            ));
        }
    }
    Ok(())
}

fn overlap(one: &Configured<'_>, other: &Configured<'_>) -> bool {
    let same_event = one.events.iter().any(|mine| {
        other.events.iter().any(|theirs| {
            let (mine, theirs) = (mine.as_str(), theirs.as_str());
            let within = |wide: &str, name: &str| {
                wide.strip_suffix('*').is_some_and(|stem| name.starts_with(stem))
            };
            mine == theirs || within(mine, theirs) || within(theirs, mine)
        })
    });
    let ((my_prefix, my_suffix), (their_prefix, their_suffix)) =
        (ends(one.filter), ends(other.filter));
    let nested = |a: &str, b: &str| a.starts_with(b) || b.starts_with(a);
    let ended = |a: &str, b: &str| a.ends_with(b) || b.ends_with(a);
    same_event && nested(my_prefix, their_prefix) && ended(my_suffix, their_suffix)
}

fn invalid(text: &str) -> AwsError {
    AwsError::new("InvalidArgument", 400, text)
}

#[cfg(test)]
mod tests {
    use haar_s3_contract::model::{FilterRule, QueueConfiguration, S3KeyFilter};

    use super::*;

    fn queue(event: Event, prefix: &str, suffix: &str) -> QueueConfiguration {
        let rule = |name: &str, value: &str| FilterRule {
            name: Some(name.to_owned()),
            value: Some(value.to_owned()),
        };
        let rules = vec![rule("Prefix", prefix), rule("suffix", suffix)];
        QueueConfiguration {
            id: None,
            queue_arn: "arn:aws:sqs:us-east-1:000000000000:q".to_owned(),
            events: vec![event],
            filter: Some(NotificationConfigurationFilter {
                key: Some(S3KeyFilter { filter_rules: Some(rules) }),
            }),
        }
    }

    fn config(queues: Vec<QueueConfiguration>) -> NotificationConfiguration {
        NotificationConfiguration { queue_configurations: Some(queues), ..Default::default() }
    }

    #[test]
    fn filters_look_at_both_ends_of_a_key() {
        let config = config(vec![queue(Event::S3ObjectCreated, "in/", ".jpg")]);
        let heard = |name, key| listeners(&config, name, key).len();
        assert_eq!(heard("ObjectCreated:Put", "in/a.jpg"), 1);
        assert_eq!(heard("ObjectCreated:Put", "in/a.png"), 0);
        assert_eq!(heard("ObjectCreated:Put", "out/a.jpg"), 0);
        assert_eq!(heard("ObjectRemoved:Delete", "in/a.jpg"), 0);
    }

    #[test]
    fn two_listeners_of_one_event_must_not_overlap() {
        let put = Event::S3ObjectCreatedPut;
        let apart = config(vec![queue(Event::S3ObjectCreated, "a/", ""), queue(put, "b/", "")]);
        assert!(check(&apart).is_ok());
        let same = config(vec![queue(Event::S3ObjectCreated, "a/", ""), queue(put, "a/b", "")]);
        assert!(check(&same).unwrap_err().message().starts_with("Configurations overlap"));
    }
}
