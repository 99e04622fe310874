//! A bare root file system in an archive, made an image of one layer.

use std::fs::File;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use haar_substrate::{BlobFile, ImageConfig, ImageError, ImageSource, Manifest};

use crate::archive::{CONFIG, LAYER, MANIFEST, manifest};
use crate::digest::{self, HashRead};
use crate::document::{self, Descriptor};
use crate::fetch::blocking;
use crate::layout::{file_of, file_stream};
use crate::unpack::decompress;

/// An archive of a root file system, compressed or not.
pub struct RootfsTar {
    path: PathBuf,
    layer: String,
    config: Bytes,
    manifest: Bytes,
}

impl RootfsTar {
    /// Opens an archive; `config` is what its image shall say.
    pub async fn open(path: &Path, config: &ImageConfig) -> Result<Self, ImageError> {
        let own = path.to_owned();
        let (layer, diff_id, size) = blocking("read a root file system", move || {
            let layer = HashRead::new(File::open(&own)?).finish()?;
            let diff_id = HashRead::new(decompress(File::open(&own)?)?).finish()?;
            Ok((layer, diff_id, own.metadata()?.len()))
        })
        .await?;
        let (os, architecture) = document::platform();
        let env: Vec<_> =
            config.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let config = serde_json::json!({
            "os": os,
            "architecture": architecture,
            "config": {
                "Entrypoint": config.entrypoint,
                "Cmd": config.cmd,
                "Env": env,
                "WorkingDir": config.cwd,
                "User": config.user,
                "StopSignal": config.stop_signal,
                "Labels": config.labels,
            },
            "rootfs": { "type": "layers", "diff_ids": [diff_id] },
        });
        let config = Bytes::from(config.to_string());
        let described = Descriptor::new(CONFIG, digest::of(&config), config.len() as u64);
        let layers = [Descriptor::new(LAYER, layer.clone(), size)];
        let manifest = manifest(&described, &layers)
            .map_err(|error| ImageError::Disk("describe an image".into(), error))?;
        Ok(Self { path: path.to_owned(), layer, config, manifest })
    }
}

#[async_trait]
impl ImageSource for RootfsTar {
    fn is_import(&self) -> bool {
        true
    }

    async fn manifest(&self, _tag_or_digest: &str) -> Result<Manifest, ImageError> {
        Ok(Manifest { media_type: MANIFEST.to_owned(), bytes: self.manifest.clone() })
    }

    async fn blob(
        &self,
        digest: &str,
        from: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, ImageError>>, ImageError> {
        if digest == self.layer {
            return file_stream(&self.path, digest, from, u64::MAX).await;
        }
        let rest = self.config.slice(usize::try_from(from).unwrap_or(0).min(self.config.len())..);
        Ok(futures_util::stream::once(async { Ok(rest) }).boxed())
    }

    async fn file(&self, digest: &str) -> Result<Option<BlobFile>, ImageError> {
        match digest == self.layer {
            true => Ok(file_of(&self.path, 0, None).await),
            false => Ok(None),
        }
    }
}
