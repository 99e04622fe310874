//! `haar clock`: the cloud's time, told and moved.

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::client::{Client, EndpointArguments};
use super::{Output, block_on};

/// The cloud's own page of its time.
const PAGE: &str = "/_haar/clock";

/// See [`run`].
#[derive(Args)]
pub(crate) struct ClockArguments {
    /// Move the clock on by so much: 90s, 1h30m, 2d. Schedules fire, messages and items become due.
    #[arg(long, value_name = "DURATION", conflicts_with = "to", allow_hyphen_values = true)]
    advance: Option<String>,
    /// Move the clock on to this time: 2027-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    #[command(flatten)]
    endpoint: EndpointArguments,
}

/// Tells the cloud's time; moves it on before, where that is asked.
pub(super) fn run(arguments: &ClockArguments, output: Output) -> Result<(), String> {
    let client = arguments.endpoint.client()?;
    let wish = match (&arguments.advance, &arguments.to) {
        (Some(advance), _) => Some(json!({ "advance": advance })),
        (None, Some(to)) => Some(json!({ "to": to })),
        (None, None) => None,
    };
    let answer = block_on(async {
        match wish {
            Some(wish) => move_on(&client, &wish).await,
            None => client.page(Method::GET, PAGE).await,
        }
    })?;
    output.show(&answer, || told(&answer));
    Ok(())
}

/// Moves a cloud's clock; answers its page.
pub(super) async fn move_on(client: &Client, wish: &Value) -> Result<Value, String> {
    client.post(PAGE, wish).await
}

/// The page in words.
pub(super) fn told(page: &Value) -> String {
    let now = page["now"].as_str().unwrap_or_default();
    let ahead = page["offset_seconds"].as_f64().unwrap_or_default();
    if ahead == 0.0 {
        return format!("{now}, as on this machine");
    }
    let ahead = jiff::SignedDuration::from_secs_f64(ahead);
    format!("{now}, {ahead:#} ahead of this machine")
}
