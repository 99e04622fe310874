//! Functions whose code is a folder that is being worked on: their environments end when
//! something in it changes, so that the next invocation sees it.

use std::path::{Component, Path};
use std::sync::{Arc, Weak};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use super::Shared;
use super::pool::Pool;

/// Folders whose changes are no changes of the code.
const IGNORED: &[&str] = &[".git", "__pycache__"];

/// A folder that is watched, until this is dropped.
pub(super) struct Watch(#[allow(dead_code)] RecommendedWatcher); // held, not used

impl Shared {
    /// Watches the folder of a pool from before its first environment on.
    pub(super) async fn watch(self: &Arc<Self>, pool: &Arc<Pool>) {
        if pool.target.is_folder {
            pool.watch.get_or_init(|| self.start_watch(pool)).await;
        }
    }

    #[allow(clippy::disallowed_methods)] // the fleet's own loop
    async fn start_watch(self: &Arc<Self>, pool: &Arc<Pool>) -> Option<Watch> {
        let (changed, changes) = mpsc::channel(1);
        let folder = pool.target.code.clone();
        let started = tokio::task::spawn_blocking(move || watch(&folder, changed)).await;
        match started {
            Ok(Ok(watch)) => {
                tokio::spawn(replace(Arc::downgrade(self), Arc::downgrade(pool), changes));
                Some(watch)
            }
            Ok(Err(error)) => {
                let folder = pool.target.code.display();
                tracing::warn!(%error, %folder, "could not watch a folder: changes go unnoticed");
                None
            }
            Err(_) => None, // haar is stopping
        }
    }
}

/// Walks the folder. Blocking.
fn watch(folder: &Path, changed: mpsc::Sender<()>) -> notify::Result<Watch> {
    let root = folder.to_owned();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.map_or(true, |event| is_change(&root, &event)) {
            let _ = changed.try_send(()); // one that waits will do
        }
    })?;
    watcher.watch(folder, RecursiveMode::Recursive)?;
    Ok(Watch(watcher))
}

fn is_change(root: &Path, event: &notify::Event) -> bool {
    let is_written = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    };
    let is_ignored = |path: &Path| {
        let inside = path.strip_prefix(root).unwrap_or(path);
        inside.components().any(|part| match part {
            Component::Normal(name) => IGNORED.iter().any(|ignored| name == *ignored),
            _ => false,
        })
    };
    let concerns_code = event.paths.is_empty() || event.paths.iter().any(|path| !is_ignored(path));
    is_written && concerns_code
}

/// Ends the pool at the first change; a later one begins with a watch of its own.
async fn replace(shared: Weak<Shared>, pool: Weak<Pool>, mut changes: mpsc::Receiver<()>) {
    if changes.recv().await.is_none() {
        return; // the pool is gone
    }
    if let (Some(shared), Some(pool)) = (shared.upgrade(), pool.upgrade()) {
        let folder = pool.target.code.display();
        tracing::info!(function = %pool.target.arn(), %folder, "code changed");
        let mut pools = shared.pools.lock();
        let key = pool.target.key();
        if pools.get(&key).is_some_and(|known| Arc::ptr_eq(known, &pool)) {
            pools.remove(&key);
        }
        drop(pools);
        shared.retire(pool);
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, ModifyKind};
    use notify::{Event, EventKind};

    use super::*;

    fn event(kind: EventKind, path: &str) -> Event {
        Event::new(kind).add_path(path.into())
    }

    #[test]
    fn what_is_written_is_a_change_and_what_is_read_is_none() {
        let (root, data) = (Path::new("/a/.git/b"), ModifyKind::Data(DataChange::Any));
        let change = |kind, path: &str| is_change(root, &event(kind, path));
        assert!(change(EventKind::Modify(data), "/a/.git/b/app.py"));
        assert!(change(EventKind::Create(CreateKind::File), "/a/.git/b/new/x"));
        assert!(!change(EventKind::Access(AccessKind::Read), "/a/.git/b/app.py"));
        assert!(!change(EventKind::Modify(data), "/a/.git/b/.git/index"));
        assert!(!change(EventKind::Modify(data), "/a/.git/b/x/__pycache__/app.pyc"));
    }
}
