//! `haar logs`: what functions logged.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use haar_clock::Clock;
use haar_types::Timestamp;
use serde_json::{Value, json};

use super::client::{Client, EndpointArguments};
use super::{Output, announce, block_on};

/// How often a follower asks for more.
const POLL_EVERY: Duration = Duration::from_millis(400);
/// How far back a follower looks for lines that arrived late.
const LATE_MAX: Duration = Duration::from_secs(10);
/// Lambda's log groups begin with this.
const GROUPS: &str = "/aws/lambda/";

/// See [`run`].
#[derive(Args)]
pub(crate) struct LogsArguments {
    #[command(flatten)]
    endpoint: EndpointArguments,
    /// A function's name, or a log group that begins with a slash; all functions by default.
    name: Option<String>,
    /// Go on until interrupted.
    #[arg(short, long)]
    follow: bool,
    /// How many minutes to look back, by the cloud's clock.
    #[arg(long, default_value_t = 60, value_name = "MINUTES")]
    since: u32,
    /// The region that was logged in; the shell's, else the cloud's, where not told.
    #[arg(long)]
    region: Option<String>,
}

/// Prints log events in the order of their times.
pub(super) fn run(arguments: &LogsArguments, output: Output) -> Result<(), String> {
    let client = arguments.endpoint.client()?;
    let clock = Clock::system();
    block_on(async {
        let region = client.region(arguments.region.as_deref()).await;
        let now = clouds_time(&client).await.unwrap_or_else(|| clock.now());
        let mut reader = Reader {
            logs: Logs { client, region },
            group: arguments.name.as_deref().map(group_of),
            from: now - Duration::from_secs(60 * u64::from(arguments.since)),
            seen: BTreeSet::new(),
        };
        loop {
            reader.print_new(output).await?;
            if !arguments.follow {
                return Ok(());
            }
            clock.sleep(POLL_EVERY).await;
        }
    })
}

/// The time by which the cloud logs: its clock may have been moved. None where it does not tell.
async fn clouds_time(client: &Client) -> Option<Timestamp> {
    let page = client.hint("/_haar/clock").await;
    let now: jiff::Timestamp = page["now"].as_str()?.parse().ok()?;
    Some(Timestamp(now.as_millisecond()))
}

fn group_of(name: &str) -> String {
    if name.starts_with('/') { name.to_owned() } else { format!("{GROUPS}{name}") }
}

/// What was printed, and from where to read on.
struct Reader {
    logs: Logs,
    group: Option<String>,
    from: Timestamp,
    /// Ids of events since `from`.
    seen: BTreeSet<String>,
}

/// One line of some log.
struct Event {
    at: Timestamp,
    id: String,
    group: String,
    message: String,
}

impl Reader {
    async fn print_new(&mut self, output: Output) -> Result<(), String> {
        let groups = match &self.group {
            Some(group) => vec![group.clone()],
            None => self.logs.groups().await?,
        };
        let mut events = Vec::new();
        for group in &groups {
            events.extend(self.logs.events(group, self.from).await?);
        }
        events.sort_by_key(|event| event.at);
        let newest = events.last().map(|event| event.at);
        for event in events {
            if self.seen.insert(event.id.clone()) {
                print_event(&event, self.group.is_none(), output);
            }
        }
        if let Some(newest) = newest {
            self.from = self.from.max(newest - LATE_MAX);
        }
        Ok(())
    }
}

fn print_event(event: &Event, with_group: bool, output: Output) {
    if output.json {
        let at = event.at.iso_millis();
        let line = json!({ "timestamp": at, "logGroup": event.group, "message": event.message });
        return announce(&line.to_string());
    }
    let group = if with_group { format!("{} ", event.group) } else { String::new() };
    announce(&format!("{} {group}{}", event.at.iso_millis(), event.message.trim_end()));
}

/// CloudWatch Logs, by its JSON protocol.
struct Logs {
    client: Client,
    region: String,
}

impl Logs {
    async fn groups(&self) -> Result<Vec<String>, String> {
        let input = json!({ "logGroupNamePrefix": GROUPS });
        let found = self.pages("DescribeLogGroups", input, "logGroups").await?;
        Ok(found.iter().filter_map(|group| Some(group["logGroupName"].as_str()?.into())).collect())
    }

    async fn events(&self, group: &str, from: Timestamp) -> Result<Vec<Event>, String> {
        let input = json!({ "logGroupName": group, "startTime": from.0 });
        let found = self.pages("FilterLogEvents", input, "events").await?;
        let event = |found: &Value| Event {
            at: Timestamp(found["timestamp"].as_i64().unwrap_or_default()),
            id: found["eventId"].as_str().unwrap_or_default().to_owned(),
            group: group.to_owned(),
            message: found["message"].as_str().unwrap_or_default().to_owned(),
        };
        Ok(found.iter().map(event).collect())
    }

    /// All pages of a list.
    async fn pages(
        &self,
        operation: &str,
        mut input: Value,
        list: &str,
    ) -> Result<Vec<Value>, String> {
        let target = format!("Logs_20140328.{operation}");
        let place = ("logs", self.region.as_str());
        let mut found = Vec::new();
        loop {
            let mut page = self.client.call(place, &target, &input).await?;
            if let Value::Array(items) = page[list].take() {
                found.extend(items);
            }
            match page["nextToken"].as_str() {
                Some(token) => input["nextToken"] = token.into(),
                None => return Ok(found),
            }
        }
    }
}
