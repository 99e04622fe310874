//! What answers programs inside sandboxes: haar's own API, and what tells tasks of themselves.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use haar_clock::Clock;
use haar_substrate::SandboxId;
use tokio::net::{TcpListener, TcpStream};

/// Most connections that one sandbox has at once: each costs this process a descriptor, of which
/// all sandboxes share what there is.
pub const INSIDE_MAX: usize = 256;

/// How long to wait when a connection could not be taken. *Ours*.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long to wait before idle connections are looked for again. *Ours*.
const ROOM_PAUSE: Duration = Duration::from_millis(100);

/// Takes connections that were accepted inside a sandbox.
pub trait ApiDoor: Send + Sync + 'static {
    /// Serves one connection, from now on and whether or not the future is polled; that tells its
    /// end.
    fn serve(&self, sandbox: &SandboxId, stream: TcpStream) -> BoxFuture<'static, ()>;

    /// Ends some of a sandbox's connections, those that have been idle for longest; none where all
    /// are at work.
    fn make_room(&self, sandbox: &SandboxId);
}

/// Leads what connects inside a sandbox to what answers there. Where it has [`INSIDE_MAX`]
/// connections already those that are idle make room, and where none is the next waits.
pub async fn serve_inside(
    door: Arc<dyn ApiDoor>,
    clock: Clock,
    sandbox: SandboxId,
    listener: TcpListener,
) {
    let mut open = FuturesUnordered::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(()) = open.next() => continue,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // out of descriptors, or a caller that went: the next may come through
                tracing::debug!(%error, sandbox = %sandbox.0, "could not accept a connection");
                clock.sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        while open.len() >= INSIDE_MAX {
            door.make_room(&sandbox);
            let _ = clock.timeout(ROOM_PAUSE, open.next()).await;
        }
        open.push(door.serve(&sandbox, stream));
    }
}
