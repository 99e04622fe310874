//! Gathering a lane's next batch.

use std::time::Duration;

use haar_clock::Moment;
use haar_types::Timestamp;

use super::backlog::Popped;
use super::lane::Lane;
use crate::Item;
use crate::rules::batch::{Bounds, Fill};
use crate::rules::window;

/// What a lane has to do next.
pub(super) enum Gathered {
    /// Wanted records, and the last that was looked at.
    Batch { items: Vec<Item>, last: String },
    /// The open window's time is over.
    WindowOver,
    /// The shard has ended, or the reader has.
    Over,
}

/// A batch that grows.
#[derive(Default)]
struct Growing {
    items: Vec<Item>,
    fill: Fill,
    /// The last record that was looked at.
    last: Option<String>,
    read_count: usize,
    dropped_count: usize,
    /// When it is given, however few they are.
    ends_at: Option<Moment>,
}

/// Why no more is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stopped {
    /// The next record is for another batch.
    Full,
    /// There is none now.
    Empty,
    /// There will be none.
    Over,
}

impl Lane {
    /// Gathers records: what is there, or what comes within the batching window from the first
    /// wanted one on, and of one tumbling window only.
    pub(super) async fn gather(&self) -> Gathered {
        let bounds = self.poller.settings.bounds;
        let mut batch = Growing::default();
        loop {
            let stopped = self.take_in(&mut batch, bounds);
            if batch.items.is_empty() && stopped == Stopped::Full {
                return Gathered::WindowOver; // the next record is of a later window
            }
            let now = self.poller.clock.moment();
            if !batch.items.is_empty() && batch.ends_at.is_none() {
                batch.ends_at = Some(now.after(bounds.window));
            }
            let is_late = batch.ends_at.is_some_and(|end| now >= end);
            let is_ready = stopped != Stopped::Empty || is_late || batch.fill.is_full(bounds);
            if let Some(last) = batch.last.take_if(|_| batch.items.is_empty() || is_ready) {
                self.poller.consumer.count(batch.read_count, batch.dropped_count);
                return Gathered::Batch { items: batch.items, last };
            }
            if stopped == Stopped::Over {
                return Gathered::Over;
            }
            let until = batch.ends_at.map(|end| end.since(now)).or_else(|| self.window_left());
            if self.is_late(until).await && batch.ends_at.is_none() {
                return Gathered::WindowOver;
            }
        }
    }

    /// Takes what is there and fits.
    fn take_in(&self, batch: &mut Growing, bounds: Bounds) -> Stopped {
        loop {
            let fits = |item: &Item| {
                let fits = batch.fill.holds(item.size, bounds);
                !item.is_wanted || (fits && self.fits_window(batch.items.first(), item))
            };
            let item = match self.backlog.pop(fits) {
                Popped::Item(item) => item,
                Popped::Held => return Stopped::Full,
                Popped::Empty => return Stopped::Empty,
                Popped::Over => return Stopped::Over,
            };
            batch.read_count += 1;
            batch.last = Some(item.id.clone());
            if item.is_wanted {
                batch.fill.add(item.size);
                batch.items.push(item);
            } else {
                batch.dropped_count += 1;
            }
        }
    }

    /// Waits for a record; true when the time is over before one comes.
    async fn is_late(&self, until: Option<Duration>) -> bool {
        let Some(left) = until else {
            self.backlog.filled().await;
            return false;
        };
        tokio::select! {
            () = self.backlog.filled() => false,
            () = self.poller.clock.sleep(left) => true,
        }
    }

    /// True for a record of the window that is open, or of the batch's first.
    fn fits_window(&self, first: Option<&Item>, item: &Item) -> bool {
        let Some(length) = self.poller.settings.window else { return true };
        let (start, _) = window::of(item.at, length);
        let open = self.open_window().map(|open| Timestamp(open.start_ms));
        let of_batch = first.map(|first| window::of(first.at, length).0);
        // A late record belongs to the window that is open.
        open.or(of_batch).is_none_or(|open| start <= open)
    }

    fn window_left(&self) -> Option<Duration> {
        let end = Timestamp(self.open_window()?.end_ms);
        Some(end.since(self.poller.clock.now()))
    }
}
