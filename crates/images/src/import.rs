//! Brings an image in from the disk, whatever form it has there.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use haar_substrate::{ImageConfig, ImageError, ImageId, ImageRef, ImageSource, ImageStore};

use crate::fetch::{blocking, opened};
use crate::unpack::decompress;
use crate::{DockerArchive, LayoutArchive, OciLayout, RootfsTar};

/// Imports an image layout (a directory, or an archive of one), an archive of `docker save`, or the
/// archive of a root file system, which runs `/bin/sh` where nothing else is said. `name` is what
/// it is called here and, in a layout or archive of several, which of them it is.
pub async fn import(
    store: &dyn ImageStore,
    path: &Path,
    name: &str,
) -> Result<ImageId, ImageError> {
    let found = tokio::fs::metadata(path).await;
    let found =
        found.map_err(|error| crate::layout::unreadable(&path.display().to_string(), error))?;
    let tag = name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
    let reference = ImageRef(name.to_owned());
    if found.is_dir() {
        let source = Arc::new(OciLayout::new(path));
        return store.pull(&reference, tag, source).await;
    }
    if !found.is_file() {
        let what = format!("{} is neither a file nor a directory", path.display());
        return Err(ImageError::Malformed(what));
    }
    let (source, tag): (Arc<dyn ImageSource>, &str) = match DockerArchive::open(path).await {
        Ok(archive) if archive.names().iter().any(|known| known == name) => {
            (Arc::new(archive), name)
        }
        // the only one of an archive is meant, whatever it is called there
        Ok(archive) if archive.names().len() <= 1 => (Arc::new(archive), ""),
        Ok(archive) => (Arc::new(archive), tag),
        Err(ImageError::Malformed(_)) => match LayoutArchive::open(path).await {
            Ok(archive) => (Arc::new(archive), tag),
            Err(ImageError::Malformed(_)) => (Arc::new(root(path).await?), tag),
            Err(other) => return Err(other),
        },
        Err(other) => return Err(other),
    };
    store.pull(&reference, tag, source).await
}

/// What says nothing of how it runs has a shell.
async fn root(path: &Path) -> Result<RootfsTar, ImageError> {
    if is_without_files(path).await? {
        return Err(ImageError::Malformed(format!("no archive with files: {}", path.display())));
    }
    let config = ImageConfig { cmd: vec!["/bin/sh".to_owned()], ..ImageConfig::default() };
    RootfsTar::open(path, &config).await
}

/// There is nothing in an archive that could run.
async fn is_without_files(path: &Path) -> Result<bool, ImageError> {
    let file = path.to_owned();
    let read = blocking("read an archive", move || {
        let first = || {
            let bytes = decompress(File::open(&file)?)?;
            tar::Archive::new(bytes).entries()?.next().transpose().map(|first| first.is_none())
        };
        Ok(first())
    });
    opened(path, read.await?)
}
