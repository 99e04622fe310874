//! Amazon ECR: repositories of container images, and the registry that clients push them to
//! and pull them from.
//!
//! Repositories, images, tags and layers are rows; manifests and layers are blobs, which
//! repositories share. The registry ([`registry`]) speaks the OCI distribution protocol;
//! it and the operations meet in `images` and `layers`, where the rules are.
//!
//! **Invariant:** an image's layers are layers of its repository, except in a pull-through
//! cache, which fetches them when they are asked for. **Invariant:** a layer that an image needs
//! is never forgotten, and a blob that a row names is never swept away.
//!
//! haar never scans an image and never invents findings.
//!
//! Source of behaviour: *Amazon ECR User Guide*, *Amazon ECR API Reference*, *OCI Distribution
//! Specification 1.1*.
//!
//! Begin with `state`, then `images`.

mod access;
mod announce;
pub mod controllers;
mod creation;
mod downloads;
mod images;
mod lanes;
mod layers;
mod listing;
mod lookup;
mod metering;
mod ops;
mod peek;
mod pulls;
mod refusal;
pub mod registry;
mod render;
mod replicate;
mod room;
mod rules;
mod state;
mod upstream;

pub use downloads::LayerDownloads;
pub use room::Ecr;
