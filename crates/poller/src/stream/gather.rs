//! Gathering a lane's next batch.

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
            let is_late = self.is_late(batch.ends_at).await;
            if is_late && batch.ends_at.is_none() && self.window_is_over() {
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

    /// Waits for a record; true when the batch, or else the window, ends before one comes. The
    /// window's end is an instant of the cloud's, as its records' times are.
    async fn is_late(&self, batch_ends_at: Option<Moment>) -> bool {
        let clock = &self.poller.clock;
        let late = async {
            match (batch_ends_at, self.open_window()) {
                (Some(end), _) => clock.sleep_until(end).await,
                (None, Some(open)) => clock.sleep_until_time(Timestamp(open.end_ms)).await,
                (None, None) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.backlog.filled() => false,
            () = late => true,
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

    fn window_is_over(&self) -> bool {
        let now = self.poller.clock.now();
        self.open_window().is_some_and(|open| Timestamp(open.end_ms) <= now)
    }
}
