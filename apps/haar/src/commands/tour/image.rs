//! The tour's images: made here, of static programs, and pushed over the registry's HTTP API.

use std::path::Path;

use haar_images::build::{self, Compression, Layer};
use haar_substrate::ImageConfig;
use http::Method;
use serde_json::Value;

use super::super::client::Client;
use super::archive::compile;

const WEB: &str = include_str!("inputs/web.c");

/// What busybox does in place of the web server, where there is no C compiler.
const WEB_SCRIPT: &str = "[ \"$1\" = break ] && echo broken, as asked && exit 1
trap 'echo stopping; exit 0' TERM
echo hello from a container > /tmp/index.html
echo serving on port 80
busybox httpd -f -p 80 -h /tmp &
wait
";

/// An image on its way to the registry.
pub(super) struct TourImage {
    /// Its tag.
    pub(super) tag: &'static str,
    layer: Layer,
    config: ImageConfig,
}

/// A web server in two images, the second of which breaks; `None` where nothing here can be made
/// into one.
pub(super) fn web(folder: &Path) -> Result<Option<[TourImage; 2]>, String> {
    let program = compile(folder, "web", WEB)?;
    let made = |tag, cmd: &[&str]| {
        let (layer, entrypoint) = match &program {
            Some(program) => (Layer::new().file("web", 0o755, program), vec!["/web"]),
            None => {
                let layer = build::busybox()?.file("web", 0o755, WEB_SCRIPT.as_bytes());
                (layer, vec!["/bin/sh", "/web"])
            }
        };
        Some(TourImage { tag, layer, config: config(&entrypoint, cmd) })
    };
    Ok(made("good", &["serve"]).zip(made("broken", &["break"])).map(Into::into))
}

/// The static function, as an image.
pub(super) fn function(program: &[u8]) -> TourImage {
    let layer = Layer::new().file("function", 0o755, program);
    TourImage { tag: "function", layer, config: config(&["/function"], &[]) }
}

fn config(entrypoint: &[&str], cmd: &[&str]) -> ImageConfig {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    ImageConfig { entrypoint: words(entrypoint), cmd: words(cmd), ..ImageConfig::default() }
}

impl TourImage {
    /// Pushes it as registry clients do: its blobs, then its manifest. Answers its digest.
    pub(super) async fn push(
        self,
        client: &Client,
        repository: &str,
        token: &str,
        folder: &Path,
    ) -> Result<String, String> {
        let dir = folder.join(self.tag);
        let layers = [(self.layer.finish(), Compression::Gzip)];
        let digest = build::layout(&dir, &self.config, &layers);
        let read = |digest: &str| {
            let name = digest.trim_start_matches("sha256:");
            std::fs::read(dir.join("blobs/sha256").join(name)).map_err(|error| error.to_string())
        };
        let manifest = read(&digest)?;
        let parsed: Value = serde_json::from_slice(&manifest).map_err(|error| error.to_string())?;
        let basic = format!("Basic {token}");
        let authorization = ("authorization", basic.as_str());
        let layers = parsed["layers"].as_array().into_iter().flatten();
        for part in layers.chain([&parsed["config"]]) {
            let digest = part["digest"].as_str().unwrap_or_default();
            let uploads = format!("/v2/{repository}/blobs/uploads/");
            let headers = [authorization];
            let begun = client.send(Method::POST, &uploads, &headers, Vec::new().into()).await?;
            let place = begun.header("location").unwrap_or_default();
            let place = place.trim_start_matches(&client.endpoint());
            let join = if place.contains('?') { '&' } else { '?' };
            let place = format!("{place}{join}digest={digest}");
            let octets = [authorization, ("content-type", "application/octet-stream")];
            let put = client.send(Method::PUT, &place, &octets, read(digest)?.into()).await?;
            created(put.status, &put.text())?;
        }
        let place = format!("/v2/{repository}/manifests/{}", self.tag);
        let kind = ("content-type", "application/vnd.oci.image.manifest.v1+json");
        let put = client.send(Method::PUT, &place, &[authorization, kind], manifest.into()).await?;
        created(put.status, &put.text())?;
        Ok(digest)
    }
}

fn created(status: u16, said: &str) -> Result<(), String> {
    if status == 201 { Ok(()) } else { Err(format!("a push was answered {status}: {said}")) }
}
