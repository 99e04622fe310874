//! `haar reset`: back to the initial state.

use clap::Args;
use http::Method;

use super::client::EndpointArguments;
use super::{Output, block_on};

/// See [`run`].
#[derive(Args)]
pub(crate) struct ResetArguments {
    #[command(flatten)]
    endpoint: EndpointArguments,
}

/// Has the cloud forget everything, running functions included.
pub(super) fn run(arguments: &ResetArguments, output: Output) -> Result<(), String> {
    let client = arguments.endpoint.client()?;
    let answer = block_on(client.page(Method::POST, "/_haar/reset"))?;
    output.show(&answer, || format!("{} is as new", client.endpoint()));
    Ok(())
}
