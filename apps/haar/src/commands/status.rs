//! `haar status`: whether a cloud is up, and what it serves.

use clap::Args;
use http::Method;
use serde_json::json;

use super::client::EndpointArguments;
use super::{Output, block_on};

/// See [`run`].
#[derive(Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    endpoint: EndpointArguments,
}

/// Asks the cloud how it is; fails where none answers.
pub(super) fn run(arguments: &StatusArguments, output: Output) -> Result<(), String> {
    let client = arguments.endpoint.client()?;
    let health = block_on(client.page(Method::GET, "/_haar/health"))?;
    // An older cloud has no such page.
    let state = block_on(client.page(Method::GET, "/_haar/state")).unwrap_or_default();
    let document = json!({ "health": health, "state": state });
    output.show(&document, || {
        let word = |key: &str| health[key].as_str().unwrap_or("unknown").to_owned();
        let mut text =
            format!("haar {} on {}: {}\n", word("version"), client.endpoint(), word("status"),);
        for (service, state) in health["services"].as_object().into_iter().flatten() {
            text.push_str(&format!("  {service:<12} {}\n", state.as_str().unwrap_or("unknown")));
        }
        text.push_str("rows by table\n");
        for (name, count) in state["rows"].as_object().into_iter().flatten() {
            text.push_str(&format!("  {name:<24} {count}\n"));
        }
        text
    });
    Ok(())
}
