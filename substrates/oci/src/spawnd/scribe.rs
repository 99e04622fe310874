//! Writes down what containers say, so that it outlives the server: one thread for all of them.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use haar_clock::Clock;
use haar_substrate::{SandboxId, Stdio};
use parking_lot::Mutex;
use rustix::event::epoll;

use super::helper::Helper;
use super::log;
use crate::kept::{Places, RECORD_BYTES_MAX, Writer};
use crate::proto::{ToServer, Written};

/// What the thread reads.
pub(super) struct Scribe {
    poll: OwnedFd,
    clock: Clock,
    sources: Mutex<(u64, BTreeMap<u64, Source>)>,
}

struct Source {
    pipe: OwnedFd,
    stream: Stdio,
    book: Arc<Book>,
}

/// One container's kept output, over all its runs.
pub(super) struct Book {
    id: SandboxId,
    container: String,
    pen: Mutex<Pen>,
}

struct Pen {
    writer: Writer,
    /// Pipes that may bring more.
    open: usize,
    runs: u64,
}

impl Book {
    pub(super) fn open(
        places: Places,
        bound: u64,
        id: &SandboxId,
        container: &str,
    ) -> io::Result<Arc<Self>> {
        let pen = Pen { writer: Writer::open(places, bound)?, open: 0, runs: 0 };
        let (id, container) = (id.clone(), container.to_owned());
        Ok(Arc::new(Self { id, container, pen: Mutex::new(pen) }))
    }

    /// How much there is.
    pub(super) fn written(&self) -> Written {
        let pen = self.pen.lock();
        Written {
            id: self.id.clone(),
            container: self.container.clone(),
            run: pen.runs,
            end: pen.writer.end(),
            open: pen.open > 0,
        }
    }
}

impl Scribe {
    pub(super) fn new() -> io::Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { poll, clock: Clock::system(), sources: Mutex::default() })
    }

    /// Reads these from now on.
    pub(super) fn follow(&self, book: &Arc<Book>, pipes: Vec<(Stdio, OwnedFd)>) -> io::Result<()> {
        book.pen.lock().runs += 1;
        for (_, pipe) in &pipes {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        // nothing is read before all of them are counted
        let mut sources = self.sources.lock();
        for (stream, pipe) in pipes {
            sources.0 += 1;
            let token = sources.0;
            let data = epoll::EventData::new_u64(token);
            epoll::add(&self.poll, pipe.as_fd(), data, epoll::EventFlags::IN)?;
            book.pen.lock().open += 1;
            sources.1.insert(token, Source { pipe, stream, book: book.clone() });
        }
        Ok(())
    }

    /// Runs the thread.
    pub(super) fn run(&self, helper: &Arc<Helper>) {
        let mut events = Vec::with_capacity(64);
        let mut buffer = vec![0; RECORD_BYTES_MAX];
        loop {
            events.clear();
            let space = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.poll, space, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => log(&format!("could not wait for output: {error}")),
            }
            for event in &events {
                if let Some(written) = self.take(event.data.u64(), &mut buffer) {
                    helper.link.tell(&ToServer::Written(written));
                }
            }
        }
    }

    /// Reads what one pipe has, once: the others have their turn too.
    fn take(&self, token: u64, buffer: &mut [u8]) -> Option<Written> {
        let mut sources = self.sources.lock();
        let source = sources.1.get(&token)?;
        match rustix::io::read(&source.pipe, &mut *buffer) {
            Ok(count @ 1..) => {
                let mut pen = source.book.pen.lock();
                let kept = pen.writer.append(source.stream, self.clock.now(), &buffer[..count]);
                if let Err(error) = kept {
                    log(&format!("could not keep output: {error}"));
                }
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return None,
            Ok(_) | Err(_) => {
                let _ = epoll::delete(&self.poll, source.pipe.as_fd());
                source.book.pen.lock().open -= 1;
                let book = source.book.clone();
                sources.1.remove(&token);
                let written = book.written();
                return (!written.open).then_some(written); // else nothing is news
            }
        }
        Some(source.book.written())
    }
}
