//! `haar status`: whether a cloud is up, and what it serves.

use clap::Args;
use http::Method;
use serde_json::{Value, json};

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
        text.push_str(&columns(&health["services"]));
        text.push_str("rows by table\n");
        text.push_str(&columns(&state["rows"]));
        text
    });
    Ok(())
}

/// Names and what is told of them, one below the other.
fn columns(told: &Value) -> String {
    let rows: Vec<_> = told.as_object().into_iter().flatten().collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let line = |(name, value): &(&String, &Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("  {name:<width$} {value}\n")
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let services = json!({ "secretsmanager": "running", "sns": "running" });
        let shown = "  secretsmanager running\n  sns            running\n";
        assert_eq!(columns(&services), shown);
        assert_eq!(columns(&json!({ "lambda.event_source_mapping": 12 })).split(' ').count(), 4);
        assert_eq!(columns(&Value::Null), "");
    }
}
