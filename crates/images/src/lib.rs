//! Images, kept unpacked and ready to run.
//!
//! A pull reads a manifest (or an index, of which it takes this host's), fetches what is missing
//! into files that a broken pull goes on with, checks every digest, and unpacks each layer once
//! into a directory of its own, named by the digest of its content: overlayfs lays these over
//! each other. Images that nothing uses go, the longest unused first, when the store passes its
//! bound.
//!
//! Customers make these archives: whatever they hold, nothing is written or linked outside of
//! the layer's directory. **Invariant:** a layer's directory holds the whole layer or is not
//! there. **Invariant:** what a [`Bundle`] holds is never removed.
//!
//! Begin with [`Store`]; archives are taken apart in `unpack.rs`.

#![allow(clippy::disallowed_methods)] // file work is handed to tokio's blocking threads

mod ahead;
mod archive;
mod blob;
#[cfg(feature = "build")]
pub mod build;
mod digest;
mod document;
mod fetch;
mod import;
mod layout;
mod layout_archive;
mod place;
mod rootfs;
mod store;
mod unpack;

pub use archive::DockerArchive;
pub use import::import;
pub use layout::OciLayout;
pub use layout_archive::LayoutArchive;
pub use rootfs::RootfsTar;
pub use store::{Bounds, Bundle, Store};
