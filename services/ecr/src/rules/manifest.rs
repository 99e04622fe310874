//! Reading manifests and indexes. Source: *OCI Image Specification 1.1*, *Docker Image Manifest
//! Version 2, Schema 2*.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::digests::SaidDigest;

/// Bytes of a manifest at most. AWS docs: *Amazon ECR API Reference > PutImage*.
pub(crate) const BYTES_MAX: usize = 4 << 20;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an index.
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// What a manifest or an index says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) media_type: String,
    pub(crate) artifact_type: Option<String>,
    pub(crate) config: Option<SaidLayer>,
    /// Without foreign ones, which are elsewhere.
    pub(crate) layers: Vec<SaidLayer>,
    pub(crate) children: Vec<SaidDigest>,
    pub(crate) subject: Option<SaidDigest>,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// A blob that a manifest refers to, in its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SaidLayer {
    pub(crate) digest: SaidDigest,
    pub(crate) size: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u32,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    urls: Option<Vec<String>>,
}

impl Descriptor {
    fn digest(&self) -> Result<SaidDigest, String> {
        self.digest.parse().map_err(|_| format!("Unsupported digest '{}'", self.digest))
    }

    fn layer(&self) -> Result<SaidLayer, String> {
        Ok(SaidLayer { digest: self.digest()?, size: self.size })
    }

    /// Kept elsewhere, at its URLs.
    fn is_foreign(&self) -> bool {
        let elsewhere = ["nondistributable", "foreign"];
        elsewhere.iter().any(|word| self.media_type.contains(word))
            && self.urls.as_ref().is_some_and(|urls| !urls.is_empty())
    }
}

/// Reads a manifest; `declared` is the media type that it was sent with.
pub(crate) fn parse(bytes: &[u8], declared: Option<&str>) -> Result<Manifest, String> {
    let document: Document =
        serde_json::from_slice(bytes).map_err(|error| format!("Invalid JSON syntax: {error}"))?;
    if document.schema_version != 2 {
        return Err("Unsupported manifest schema version".to_owned());
    }
    let media_type = media_type(&document, declared)?;
    let is_index = [OCI_INDEX, DOCKER_LIST].contains(&media_type.as_str());
    if is_index != document.manifests.is_some() || is_index == document.config.is_some() {
        return Err(format!("The manifest is not of the media type '{media_type}'"));
    }
    let own_layers = document.layers.iter().filter(|layer| !layer.is_foreign());
    Ok(Manifest {
        artifact_type: document
            .artifact_type
            .or_else(|| document.config.as_ref().map(|config| config.media_type.clone()))
            .filter(|it| !it.is_empty()),
        config: document.config.as_ref().map(Descriptor::layer).transpose()?,
        layers: own_layers.map(Descriptor::layer).collect::<Result<_, _>>()?,
        children: document
            .manifests
            .iter()
            .flatten()
            .map(Descriptor::digest)
            .collect::<Result<_, _>>()?,
        subject: document.subject.as_ref().map(Descriptor::digest).transpose()?,
        annotations: document.annotations.unwrap_or_default(),
        media_type,
    })
}

/// What the document is: as it was sent, as it says itself, or as it looks.
fn media_type(document: &Document, declared: Option<&str>) -> Result<String, String> {
    let declared = declared
        .map(|text| text.split(';').next().unwrap_or_default().trim())
        .filter(|text| !text.is_empty() && *text != "application/json");
    let own = document.media_type.as_deref().filter(|text| !text.is_empty());
    let media_type = match (declared, own) {
        (Some(declared), Some(own)) if declared != own => {
            return Err(format!("The media type '{declared}' does not match '{own}'"));
        }
        (Some(media_type), _) | (None, Some(media_type)) => media_type,
        (None, None) if document.manifests.is_some() => OCI_INDEX,
        (None, None) => OCI_MANIFEST,
    };
    match [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].contains(&media_type) {
        true => Ok(media_type.to_owned()),
        false => Err(format!("Unsupported manifest media type '{media_type}'")),
    }
}

#[cfg(test)]
mod tests {
    use haar_blobs::Digest;
    use serde_json::json;

    use super::*;

    fn descriptor(media_type: &str, of: &str) -> serde_json::Value {
        json!({ "mediaType": media_type, "digest": Digest::of(of.as_bytes()), "size": of.len() })
    }

    #[test]
    fn an_image_names_its_blobs_and_an_index_its_manifests() {
        let foreign = json!({
            "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "digest": Digest::of(b"f"), "size": 1, "urls": ["http://elsewhere"],
        });
        let image = json!({
            "schemaVersion": 2, "config": descriptor("application/vnd.x.config", "c"),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", "layer"), foreign],
            "subject": descriptor(OCI_MANIFEST, "s"), "annotations": { "a": "b" },
        });
        let image = parse(image.to_string().as_bytes(), None).unwrap();
        assert_eq!(image.media_type, OCI_MANIFEST);
        let layer = SaidLayer { digest: Digest::of(b"layer").into(), size: 5 };
        assert_eq!(image.layers, [layer]);
        assert_eq!(image.artifact_type.as_deref(), Some("application/vnd.x.config"));
        assert_eq!(image.subject, Some(Digest::of(b"s").into()));

        let index = json!({ "schemaVersion": 2, "manifests": [descriptor(OCI_MANIFEST, "m")] });
        let index = parse(index.to_string().as_bytes(), Some(OCI_INDEX)).unwrap();
        assert_eq!(index.children, [Digest::of(b"m").into()]);
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        let config = descriptor("x", "c");
        for (document, declared) in [
            (json!({ "schemaVersion": 1, "config": config }), None),
            (json!({ "schemaVersion": 2 }), None),
            (json!({ "schemaVersion": 2, "config": config }), Some(OCI_INDEX)),
            (json!({ "schemaVersion": 2, "config": config }), Some("text/plain")),
            (
                json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config }),
                Some(DOCKER_MANIFEST),
            ),
            (json!({ "schemaVersion": 2, "config": { "digest": "sha256:0", "size": 1 } }), None),
            (json!([]), None),
        ] {
            assert!(parse(document.to_string().as_bytes(), declared).is_err(), "{document}");
        }
    }
}
