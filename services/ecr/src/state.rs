//! The room's tables.

mod image;
mod layer;
mod pull_through;
mod registry;
mod replication;
mod repository;
mod template;
mod upload;

use haar_ledger::Tables;

pub(crate) use image::{ImageKey, ImageRow, LayerRef, TagKey, TagRow};
pub(crate) use layer::{LayerKey, LayerRow};
pub(crate) use pull_through::{PrefixKey, PullThroughRow};
pub(crate) use registry::{RegistryKey, RegistryRow};
pub(crate) use replication::{Destination, ReplicationKey, ReplicationRow, ReplicationState};
pub(crate) use repository::{
    LifecyclePolicy, Preview, PreviewRow, RepositoryKey, RepositoryRow, RepositorySettings,
};
pub(crate) use template::TemplateRow;
pub(crate) use upload::{UploadKey, UploadRow};

/// All tables of the room.
pub(crate) fn tables(tables: Tables) -> Tables {
    tables
        .with::<RepositoryRow>()
        .with::<ImageRow>()
        .with::<TagRow>()
        .with::<LayerRow>()
        .with::<UploadRow>()
        .with::<RegistryRow>()
        .with::<PullThroughRow>()
        .with::<TemplateRow>()
        .with::<ReplicationRow>()
        .with::<PreviewRow>()
}
