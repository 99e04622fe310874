//! A client of container registries: reads manifests and blobs from wherever an image's name
//! says that they are.
//!
//! What a registry may want is given: tokens ([`Login`] or anonymous), redirects, ranges, a
//! proxy (`HTTPS_PROXY`, `NO_PROXY`), authorities of the operator's own (`SSL_CERT_FILE`). What a
//! registry may do is bounded: the size of documents, the number of redirects, the time until it
//! answers and between two pieces of a body.
//!
//! **Invariant:** a password or token goes to the registry that it is for, and to the server of
//! tokens that this one names; never to where a redirect leads, and never from `https` to `http`.
//! **Invariant:** digests are the caller's to check. Nothing is retried in here; a registry
//! that asks for time (`Retry-After`) is left alone until then, a minute at most.
//!
//! Source of behaviour: *OCI Distribution Specification 1.1 > Pull*, *Docker Registry Token
//! Authentication*. The words of errors are containerd's, which AWS's agents repeat.
//!
//! Begin with [`Registries`].

mod challenge;
mod client;
mod connection;
mod docker_config;
mod endpoint;
mod error;
mod grants;
mod login;
mod name;
mod pauses;
mod source;

pub use client::{Fetched, Limits, Registries, Repository};
pub use docker_config::{CredentialHelper, DockerConfig};
pub use endpoint::{Endpoint, is_local};
pub use error::RegistryError;
pub use login::Login;
pub use name::ImageName;
pub use source::Remote;
