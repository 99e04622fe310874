//! Connections of programs inside sandboxes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use haar_clock::Clock;
use haar_kernel::{ApiDoor, INSIDE_MAX, serve_inside};
use haar_substrate::SandboxId;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// A connection that lasts until its end is told.
type Open = (oneshot::Sender<()>, TcpStream);

/// Keeps connections open; to make room it ends the first, as long as some are idle.
#[derive(Default)]
struct Keeper {
    open: Mutex<Vec<Open>>,
    idle: AtomicUsize,
}

impl ApiDoor for Keeper {
    fn serve(&self, _: &SandboxId, stream: TcpStream) -> BoxFuture<'static, ()> {
        let (end, ended) = oneshot::channel();
        self.open.lock().push((end, stream));
        ended.map(drop).boxed()
    }

    fn make_room(&self, sandbox: &SandboxId) {
        assert_eq!(sandbox.0, "crowded");
        let taken = |idle: usize| idle.checked_sub(1);
        let has = self.idle.fetch_update(Ordering::SeqCst, Ordering::SeqCst, taken);
        if has.is_ok() {
            drop(self.open.lock().remove(0));
        }
    }
}

impl Keeper {
    /// How many are open, and whose the last is.
    fn seen(&self) -> (usize, Option<SocketAddr>) {
        let open = self.open.lock();
        (open.len(), open.last().map(|(_, stream)| stream.peer_addr().unwrap()))
    }

    async fn until_seen(&self, last: &TcpStream) {
        while self.seen() != (INSIDE_MAX, Some(last.local_addr().unwrap())) {
            Clock::system().sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn one_more_than_there_may_be_waits_until_another_makes_room() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let keeper = Arc::new(Keeper::default());
    let door = Arc::clone(&keeper) as Arc<dyn ApiDoor>;
    let sandbox = SandboxId("crowded".to_owned());
    let serving = serve_inside(door, Clock::system(), sandbox, listener);
    let visit = async {
        let mut near = Vec::new();
        for _ in 0..INSIDE_MAX {
            near.push(TcpStream::connect(at).await.unwrap());
        }
        keeper.until_seen(near.last().unwrap()).await;
        let one_more = TcpStream::connect(at).await.unwrap();
        Clock::system().sleep(Duration::from_millis(250)).await;
        assert_eq!(keeper.seen().1, Some(near.last().unwrap().local_addr().unwrap()));
        keeper.idle.store(1, Ordering::SeqCst);
        keeper.until_seen(&one_more).await;
    };
    tokio::select! {
        () = serving => panic!("it serves for ever"),
        () = visit => {}
    }
}
