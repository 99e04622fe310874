//! `haar cost`: what was used, and what AWS would charge for it.

use clap::Args;
use http::Method;

use super::client::EndpointArguments;
use super::{Output, block_on};

/// See [`run`].
#[derive(Args)]
pub(crate) struct CostArguments {
    #[command(flatten)]
    endpoint: EndpointArguments,
    /// The month, such as 2026-11; this month by default.
    #[arg(long)]
    month: Option<String>,
}

/// Prints the bill by account, region and function, with and without the free tier.
pub(super) fn run(arguments: &CostArguments, output: Output) -> Result<(), String> {
    let client = arguments.endpoint.client()?;
    let query = arguments.month.as_ref().map(|month| format!("?month={month}"));
    let path = format!("/_haar/cost{}", query.unwrap_or_default());
    let bill = block_on(client.page(Method::GET, &path))?;
    output.show(&bill, || haar_cost::bill_text(&bill));
    Ok(())
}
