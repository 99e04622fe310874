//! `haar outbox`: what would have gone to people and devices.

use clap::Args;
use http::Method;
use serde_json::Value;

use super::client::EndpointArguments;
use super::table::table;
use super::{Output, block_on};

/// Letters of a message that a table shows.
const SHOWN_MAX: usize = 60;

/// See [`run`].
#[derive(Args)]
pub(crate) struct OutboxArguments {
    #[command(flatten)]
    endpoint: EndpointArguments,
    /// How many messages at most.
    #[arg(long, default_value_t = 100)]
    max: usize,
}

/// Prints email, SMS and mobile push that topics sent, the newest first.
pub(super) fn run(arguments: &OutboxArguments, output: Output) -> Result<(), String> {
    let path = format!("/_haar/outbox?max={}", arguments.max);
    let found = block_on(arguments.endpoint.client()?.page(Method::GET, &path))?;
    output.show(&found, || lines(&found));
    Ok(())
}

fn lines(found: &Value) -> String {
    let rows: Vec<_> = found["messages"].as_array().into_iter().flatten().map(row).collect();
    table(&["at", "by", "to", "message"], &rows, &[])
}

fn row(message: &Value) -> Vec<String> {
    let text = |name: &str| message[name].as_str().unwrap_or_default();
    let body = text("body").replace('\n', " ");
    let body = match text("subject") {
        "" => body,
        subject => format!("{subject}: {body}"),
    };
    let shown = body.chars().take(SHOWN_MAX).collect();
    vec![text("at").to_owned(), text("protocol").to_owned(), text("to").to_owned(), shown]
}
