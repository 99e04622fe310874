//! Where state is kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _, stream};
use haar_blobs::Blobs;
use haar_clock::IdSource;
use haar_kernel::Settings;
use haar_kv::{Kv, KvError};
use haar_ledger::store::FjallStore;
use haar_ledger::{Ledger, StoreError, Tables};

/// The three stores of one cloud.
pub(crate) struct Stores {
    /// Control state.
    pub(crate) ledger: Ledger,
    /// Customer records.
    pub(crate) kv: Kv,
    /// Customer bytes.
    pub(crate) blobs: Blobs,
    /// What keeps the ledger's rows on disk.
    rows: Option<Arc<FjallStore>>,
    /// Removed when the cloud stops.
    temporary: Option<PathBuf>,
}

impl Stores {
    /// Opens the stores of a data directory, or makes some in memory.
    pub(crate) fn open(
        settings: &Settings,
        tables: Tables,
        ids: &IdSource,
    ) -> Result<Self, String> {
        let dir = &settings.data_dir;
        let said = |error: &dyn std::fmt::Display| format!("{}: {error}", dir.display());
        let blobs = || Blobs::open(dir.join("blobs"), ids.clone()).map_err(|error| said(&error));
        if settings.ephemeral {
            make_own(dir).map_err(|error| said(&error))?;
            let (ledger, kv) = (Ledger::ephemeral(tables), Kv::ephemeral());
            return Ok(Self {
                ledger,
                kv,
                blobs: blobs()?,
                rows: None,
                temporary: Some(dir.clone()),
            });
        }
        make_private(dir)?;
        let store = FjallStore::open(&dir.join("ledger")).map_err(|error| match error {
            StoreError::Locked(_) => in_use(dir),
            other => said(&other),
        })?;
        let store = Arc::new(store);
        let ledger = Ledger::open(tables, Arc::clone(&store) as _).map_err(|error| said(&error))?;
        let kv = Kv::open(&dir.join("kv")).map_err(|error| match error {
            KvError::Locked(_) => in_use(dir),
            other => said(&other),
        })?;
        // last, when the others' locks say that no other haar is at work here
        let blobs = blobs()?;
        Ok(Self { ledger, kv, blobs, rows: Some(store), temporary: None })
    }

    /// An item whenever a store has let go of memory.
    pub(crate) fn lettings_go(&self) -> impl Stream<Item = ()> + Unpin {
        let of_records = stream::repeat(()).then(|()| self.kv.written_out());
        let of_rows = stream::iter(self.rows.iter().cycle()).then(|rows| rows.written_out());
        stream::select(Box::pin(of_records), Box::pin(of_rows))
    }

    /// Writes what waits; removes what was temporary.
    pub(crate) async fn close(self) {
        if let Err(error) = self.kv.sync().await {
            tracing::error!(%error, "could not write the last records");
        }
        drop((self.ledger, self.rows, self.kv, self.blobs));
        if let Some(dir) = self.temporary {
            let _ = std::fs::remove_dir_all(dir); // best effort: it lies in a temporary directory
        }
    }
}

/// Makes a temporary directory; one that is there already may be anybody's.
fn make_own(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().mode(0o700).create(dir)
}

/// Makes a directory that only its owner may enter: it will hold secrets.
fn make_private(dir: &Path) -> Result<(), String> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    let shown = dir.display();
    if dir.exists() && !dir.is_dir() {
        return Err(format!("{shown} is no folder: choose another with --data-dir"));
    }
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    let private = std::fs::Permissions::from_mode(0o700);
    made.and_then(|()| std::fs::set_permissions(dir, private)).map_err(|error| {
        format!("{shown} cannot hold haar's state: {error}; choose another with --data-dir")
    })
}

fn in_use(dir: &Path) -> String {
    let shown = dir.display();
    format!("{shown} is in use by another haar: stop it, or choose another with --data-dir")
}
