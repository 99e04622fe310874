//! One repository as a source of images.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::StreamExt as _;
use haar_substrate::{ImageError, ImageSource, Manifest};

use crate::client::{Registries, Repository};
use crate::endpoint::Endpoint;
use crate::error::RegistryError;
use crate::login::Login;
use crate::name::ImageName;

/// An image of a registry, of which the first manifest is here.
pub struct Remote {
    registries: Arc<Registries>,
    endpoint: Endpoint,
    name: ImageName,
    login: Option<Login>,
    first: Manifest,
}

impl Remote {
    /// Asks for the image's manifest or index.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn resolve(
        registries: Arc<Registries>,
        name: ImageName,
        login: Option<Login>,
    ) -> Result<Self, RegistryError> {
        let endpoint = Endpoint::parse(&name.host);
        let nowhere = || RegistryError::Malformed(format!("{} is no address", name.host));
        let endpoint = endpoint.ok_or_else(nowhere)?;
        let empty = Manifest { media_type: String::new(), bytes: Bytes::new() };
        let mut remote = Self { registries, endpoint, name, login, first: empty };
        remote.first = remote.fetch(&remote.name.reference).await?;
        Ok(remote)
    }

    async fn fetch(&self, reference: &str) -> Result<Manifest, RegistryError> {
        let fetched = self.registries.manifest(&self.repository(), reference).await?;
        let media_type = fetched.media_type.unwrap_or_default();
        Ok(Manifest { media_type, bytes: fetched.bytes })
    }

    fn repository(&self) -> Repository<'_> {
        let (name, login) = (self.name.repository.as_str(), self.login.as_ref());
        Repository { endpoint: &self.endpoint, name, login }
    }
}

#[async_trait]
impl ImageSource for Remote {
    async fn manifest(&self, tag_or_digest: &str) -> Result<Manifest, ImageError> {
        if tag_or_digest == self.name.reference {
            return Ok(self.first.clone());
        }
        let fetched = self.fetch(tag_or_digest).await;
        fetched.map_err(|error| image_error(tag_or_digest, error))
    }

    async fn blob(
        &self,
        digest: &str,
        from: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, ImageError>>, ImageError> {
        let stream = self.registries.blob(&self.repository(), digest, from).await;
        let stream = stream.map_err(|error| image_error(digest, error))?;
        let name = digest.to_owned();
        Ok(stream.map(move |piece| piece.map_err(|error| image_error(&name, error))).boxed())
    }
}

fn image_error(what: &str, error: RegistryError) -> ImageError {
    match error {
        RegistryError::NotFound => ImageError::NotFound(what.to_owned()),
        error if error.is_transient() => {
            ImageError::Unreachable(what.to_owned(), io::Error::other(error))
        }
        RegistryError::Malformed(why) => ImageError::Malformed(why),
        error => ImageError::Denied(what.to_owned(), error.to_string()),
    }
}
