//! `haar status`: whether a cloud is up, and what it serves.

use clap::Args;
use http::Method;

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
    output.show(&health, || {
        let word = |key: &str| health[key].as_str().unwrap_or("unknown").to_owned();
        let mut text =
            format!("haar {} on {}: {}\n", word("version"), client.endpoint(), word("status"),);
        for (service, state) in health["services"].as_object().into_iter().flatten() {
            text.push_str(&format!("  {service:<12} {}\n", state.as_str().unwrap_or("unknown")));
        }
        for (name, count) in health["counts"].as_object().into_iter().flatten() {
            text.push_str(&format!("  {name:<24} {count}\n"));
        }
        text
    });
    Ok(())
}
