//! `haar images`: brings images in from the disk, lists them, and removes them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::client::EndpointArguments;
use super::table::table;
use super::{Output, block_on};

/// See [`run`].
#[derive(Args)]
pub(crate) struct ImagesArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Bring in an OCI image layout (a directory), a docker-archive, or the archive of a root
    /// file system.
    Import {
        /// Where it is on this machine.
        path: PathBuf,
        /// What it is called here: name:tag.
        #[arg(long)]
        name: String,
        #[command(flatten)]
        endpoint: EndpointArguments,
    },
    /// Remove an image that was brought in; refused while a task or a function needs it.
    Rm {
        /// What it was called: name:tag.
        name: String,
        #[command(flatten)]
        endpoint: EndpointArguments,
    },
    /// List the images that are ready to run.
    Ls {
        #[command(flatten)]
        endpoint: EndpointArguments,
    },
}

/// Has the cloud do it: the store is its own.
pub(super) fn run(arguments: &ImagesArguments, output: Output) -> Result<(), String> {
    match &arguments.action {
        Action::Import { path, name, endpoint } => {
            let path = std::path::absolute(path).map_err(|error| error.to_string())?;
            let path = path.to_string_lossy().into_owned();
            let page = format!("/_haar/images?path={}&name={}", field(&path), field(name));
            let answer = block_on(endpoint.client()?.page(Method::POST, &page))?;
            output.show(&answer, || answer["id"].as_str().unwrap_or_default().to_owned());
        }
        Action::Rm { name, endpoint } => {
            let page = format!("/_haar/images?name={}", field(name));
            let gone = block_on(endpoint.client()?.page(Method::DELETE, &page))?;
            output.show(&gone, || gone["id"].as_str().unwrap_or_default().to_owned());
        }
        Action::Ls { endpoint } => {
            let images = block_on(endpoint.client()?.page(Method::GET, "/_haar/images"))?;
            output.show(&images, || lines(&images));
        }
    }
    Ok(())
}

/// As a field of a query string.
fn field(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn lines(images: &Value) -> String {
    let rows: Vec<_> = images.as_array().into_iter().flatten().map(row).collect();
    table(&["name", "image", "MiB"], &rows, &[2])
}

fn row(image: &Value) -> Vec<String> {
    let names: Vec<_> =
        image["references"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let id = image["id"].as_str().unwrap_or_default();
    let mib = image["size_bytes"].as_f64().unwrap_or_default() / f64::from(1 << 20);
    vec![names.join(" "), id.chars().take(19).collect(), format!("{mib:.1}")]
}
