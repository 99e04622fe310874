//! What the ledger holds for this room: one file per table.
//!
//! Columns that all versions of a function share are in [`FunctionRow`]; what a published
//! version freezes is in [`VersionRow`]; the rest hangs on a qualifier.

mod alias;
mod code_signing;
mod code_storage;
mod event_invoke;
mod event_source_mapping;
mod function;
mod keys;
mod layer;
mod policy;
mod provisioned;
mod url;
mod version;

pub use alias::AliasRow;
pub use code_signing::{CodeSigningKey, CodeSigningRow};
pub use code_storage::CodeStorageRow;
pub use event_invoke::EventInvokeRow;
pub use event_source_mapping::{EventSourceMappingKey, EventSourceMappingRow, MappingState};
pub use function::{FunctionRow, RecursiveLoop};
pub use keys::{FunctionKey, LayerKey, QualifiedKey, Version, VersionKey};
pub use layer::{LayerRow, LayerVersionKey, LayerVersionRow};
pub use policy::{FunctionPolicyRow, PolicyStatement};
pub use provisioned::{ProvisionedRow, ProvisionedStatus};
pub use url::{Cors, UrlRow};
pub use version::{
    Build, Code, CodeImage, FileSystem, FunctionSettings, FunctionState, ImageSettings, LayerUse,
    Logging, Reason, RuntimeManagement, UpdateStatus, VersionRow, Vpc,
};

/// All tables of this room.
pub fn tables() -> haar_ledger::Tables {
    haar_ledger::Tables::new()
        .with::<FunctionRow>()
        .with::<VersionRow>()
        .with::<AliasRow>()
        .with::<FunctionPolicyRow>()
        .with::<UrlRow>()
        .with::<EventInvokeRow>()
        .with::<ProvisionedRow>()
        .with::<LayerRow>()
        .with::<LayerVersionRow>()
        .with::<EventSourceMappingRow>()
        .with::<CodeSigningRow>()
        .with::<CodeStorageRow>()
}
