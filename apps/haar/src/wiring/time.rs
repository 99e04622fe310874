//! The cloud's time: how far it is ahead of the machine's, kept across restarts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use haar_clock::{Clock, ClockHand, Move};
use haar_gateway::AdminFault;
use haar_ledger::{Committed, Ledger, Row, Tables};
use haar_types::Timestamp;
use http::StatusCode;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

/// How far the cloud's time may be ahead of the machine's: ten years. *Ours*.
const AHEAD_MAX: Duration = Duration::from_secs(3_653 * 24 * 3600);

/// One move of the clock; the latest says how far ahead it is. Writer: [`CloudTime`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MoveRow {
    /// Key: counts the moves.
    number: u64,
    /// When, by the machine's clock.
    at: Timestamp,
    /// How far ahead the clock is since, in milliseconds.
    offset_ms: u64,
}

impl Row for MoveRow {
    type Key = u64;
    const TABLE: &'static str = "haar.clock";

    fn key(&self) -> u64 {
        self.number
    }
}

/// The table of the clock.
pub(super) fn tables() -> Tables {
    Tables::default().with::<MoveRow>()
}

/// Moves the cloud's clock.
pub(crate) struct CloudTime {
    clock: Clock,
    hand: ClockHand,
    ledger: Ledger,
    /// Held by who moves the clock.
    moving: Mutex<()>,
    /// Counts resets: a move that began before one does not go on.
    resets: AtomicU64,
    /// Ends a move that is under way.
    stopping: CancellationToken,
}

/// What is asked of the clock.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    advance: Option<String>,
    to: Option<String>,
}

impl CloudTime {
    /// Puts the clock where it was; to be opened before anything starts.
    pub(super) fn open(
        clock: Clock,
        hand: ClockHand,
        ledger: Ledger,
        stopping: CancellationToken,
    ) -> Self {
        let rows = ledger.snapshot();
        hand.resume(
            rows.all::<MoveRow>()
                .map(|row| Move { at: row.at, offset: Duration::from_millis(row.offset_ms) }),
        );
        let (moving, resets) = (Mutex::default(), AtomicU64::default());
        Self { clock, hand, ledger, moving, resets, stopping }
    }

    /// The time, and how far it is ahead of the machine's.
    pub(super) fn shown(&self) -> Value {
        let offset = self.hand.offset();
        json!({ "now": self.clock.now().iso_millis(), "offset_seconds": offset.as_secs_f64() })
    }

    /// Moves the clock on as asked, from one time at which something is due to the next. Where its
    /// caller goes away the clock stays where it has come.
    pub(super) async fn go_on(&self, wish: &[u8]) -> Result<Value, AdminFault> {
        let wish = Wish::read(wish)?;
        let moved = async {
            let _moving = self.moving.lock().await;
            self.walk(wish.goal(self.clock.machine().now(), self.hand.offset())?).await
        };
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => {
                let message = "the cloud stops: its clock stays where it has come".to_owned();
                Err(AdminFault { status: StatusCode::SERVICE_UNAVAILABLE, message })
            }
            moved = moved => moved.map(|()| self.shown()),
        }
    }

    /// Each move is kept before what is due then is waited for: no restart brings the clock to
    /// before what it has shown.
    async fn walk(&self, goal: Duration) -> Result<(), AdminFault> {
        let resets = self.resets.load(Ordering::Acquire);
        self.hand.settled().await;
        while self.hand.offset() < goal {
            if self.resets.load(Ordering::Acquire) != resets {
                return Err(AdminFault::asked("the cloud was reset while its clock was moved"));
            }
            if let Some(one) = self.hand.step(goal) {
                let kept = self.keep(one);
                let kept = if one.offset < goal { kept.early() } else { kept.durable().await };
                kept.map_err(|error| {
                    format!("the clock was moved, and that was not kept: {error}")
                })?;
            }
            self.hand.settled().await;
        }
        Ok(())
    }

    /// Writes a move down, and forgets those that are not remembered any more.
    fn keep(&self, one: Move) -> Committed<()> {
        let offset_ms = u64::try_from(one.offset.as_millis()).unwrap_or(u64::MAX);
        self.ledger.write(|tx| {
            let last = tx.all::<MoveRow>().next_back();
            let number = last.map_or(0, |row| row.number + 1);
            tx.put(MoveRow { number, at: one.at, offset_ms });
            if let Some(old) = number.checked_sub(Move::KEPT_MAX as u64) {
                tx.remove::<MoveRow>(&old);
            }
        })
    }

    /// Ends a move that is under way and brings the clock back to the machine's time, for a reset:
    /// whoever then hears that all is lost is not to wait for times of the clock of before. Nobody
    /// moves the clock until what is answered is dropped.
    pub(super) async fn put_back(&self) -> MutexGuard<'_, ()> {
        self.resets.fetch_add(1, Ordering::AcqRel);
        let halted = self.moving.lock().await;
        self.hand.put_back();
        halted
    }
}

impl Wish {
    fn read(body: &[u8]) -> Result<Self, AdminFault> {
        let how = r#"post {"advance": "1h30m"} or {"to": "2027-01-01T00:00:00Z"}"#;
        let read = serde_json::from_slice::<Self>(body);
        let wish = read.map_err(|error| AdminFault::asked(format!("{how}: {error}")))?;
        match wish.advance.is_some() ^ wish.to.is_some() {
            true => Ok(wish),
            false => Err(AdminFault::asked(how)),
        }
    }

    /// How far ahead of the machine's time the clock is to be.
    fn goal(&self, machine_now: Timestamp, offset: Duration) -> Result<Duration, AdminFault> {
        let now = machine_now + offset;
        let to = match (&self.advance, &self.to) {
            (Some(span), _) => after(now, span)?,
            (_, to) => instant(to.as_deref().unwrap_or_default())?,
        };
        if to < now {
            let text = format!("the clock only goes forward: it is {} now", now.iso());
            return Err(AdminFault::asked(text));
        }
        let ahead = to.since(machine_now);
        if ahead > AHEAD_MAX {
            let text = "the clock goes no more than ten years ahead of this machine's";
            return Err(AdminFault::asked(text));
        }
        Ok(ahead)
    }
}

/// The time that is so much later: `90s`, `1h30m`, `2 weeks`, `1 year`.
fn after(now: Timestamp, text: &str) -> Result<Timestamp, AdminFault> {
    let refused = |error: jiff::Error| {
        AdminFault::asked(format!("{text} is no duration such as 90s, 1h30m or 2d: {error}"))
    };
    let span: jiff::Span = text.trim().parse().map_err(refused)?;
    let later = now.jiff().to_zoned(TimeZone::UTC).checked_add(span).map_err(refused)?;
    Ok(Timestamp(later.timestamp().as_millisecond()))
}

fn instant(text: &str) -> Result<Timestamp, AdminFault> {
    let read = text.trim().parse::<jiff::Timestamp>();
    read.map(|at| Timestamp(at.as_millisecond())).map_err(|error| {
        AdminFault::asked(format!("{text} is no time such as 2027-01-01T00:00:00Z: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goal(body: &str) -> Result<Duration, String> {
        let wish = Wish::read(body.as_bytes()).map_err(|fault| fault.message)?;
        // 2027-01-15T08:00:00Z
        let goal = wish.goal(Timestamp(1_800_000_000_000), Duration::ZERO);
        goal.map_err(|fault| fault.message)
    }

    #[test]
    fn durations_and_times_say_how_far_ahead() {
        for (body, seconds) in [
            (r#"{"advance": "1h30m"}"#, 5_400),
            (r#"{"advance": "90s"}"#, 90),
            (r#"{"advance": "2 weeks"}"#, 14 * 86_400),
            (r#"{"advance": "1 year"}"#, 365 * 86_400),
            (r#"{"to": "2027-01-15T08:00:00Z"}"#, 0),
            (r#"{"to": "2027-01-16T08:00:00+02:00"}"#, 22 * 3600),
        ] {
            assert_eq!(goal(body), Ok(Duration::from_secs(seconds)), "{body}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_reason() {
        for (body, reason) in [
            ("", "post {\"advance\""),
            ("{}", "post {\"advance\""),
            (r#"{"advance": "1h", "to": "2028-01-01T00:00:00Z"}"#, "post {\"advance\""),
            (r#"{"advance": 5}"#, "post {\"advance\""),
            (r#"{"advance": "soon"}"#, "soon is no duration"),
            (r#"{"to": "tomorrow"}"#, "tomorrow is no time"),
            (r#"{"advance": "-1h"}"#, "only goes forward: it is 2027-01-15T08:00:00Z now"),
            (r#"{"to": "2027-01-15T07:59:59Z"}"#, "only goes forward"),
            (r#"{"advance": "11 years"}"#, "no more than ten years"),
        ] {
            let refusal = goal(body).unwrap_err();
            assert!(refusal.contains(reason), "{body}: {refusal}");
        }
    }
}
