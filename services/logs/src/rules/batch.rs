//! Which batches of log events are taken, and which of their events.
//!
//! AWS docs: *CloudWatch Logs API Reference > PutLogEvents*.

use std::ops::Range;
use std::time::Duration;

use haar_types::Timestamp;

/// Most bytes in a batch: messages in UTF-8 and [`EVENT_OVERHEAD`] for each.
const BATCH_BYTES_MAX: usize = 1_048_576;
/// What each event counts beside its message.
pub(crate) const EVENT_OVERHEAD: usize = 26;
/// Most bytes in one event.
const EVENT_BYTES_MAX: usize = 1_048_576;
/// Longest time between the first and the last event.
const SPAN_MAX: Duration = Duration::from_secs(24 * 3600);
/// Older events are rejected.
const AGE_MAX: Duration = Duration::from_secs(14 * 24 * 3600);
/// Events further ahead are rejected.
const AHEAD_MAX: Duration = Duration::from_secs(2 * 3600);

/// Which events of a batch are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The events that are kept.
    pub(crate) kept: Range<usize>,
    /// Events before this one are older than the group keeps them.
    pub(crate) expired_end: Option<usize>,
    /// Events before this one are older than 14 days.
    pub(crate) too_old_end: Option<usize>,
    /// This event and those behind it are more than two hours ahead.
    pub(crate) too_new_start: Option<usize>,
}

/// Judges a batch by the times and lengths of its events, or says what is wrong with it.
pub(crate) fn judge(
    events: &[(Timestamp, usize)],
    retention: Option<Duration>,
    now: Timestamp,
) -> Result<Verdict, String> {
    if let Some((_, length)) = events.iter().find(|(_, length)| *length > EVENT_BYTES_MAX) {
        return Err(format!(
            "Log event too large: {length} bytes exceeds limit of {EVENT_BYTES_MAX}"
        ));
    }
    let bytes: usize = events.iter().map(|(_, length)| length + EVENT_OVERHEAD).sum();
    if bytes > BATCH_BYTES_MAX {
        return Err(format!("Upload too large: {bytes} bytes exceeds limit of {BATCH_BYTES_MAX}"));
    }
    if !events.is_sorted_by_key(|(at, _)| *at) {
        return Err("Log events in a single PutLogEvents request must be in chronological order."
            .to_owned());
    }
    let verdict = verdict(events, retention, now);
    let kept = &events[verdict.kept.clone()];
    if let [(first, _), .., (last, _)] = kept
        && last.since(*first) > SPAN_MAX
    {
        return Err("The batch of log events in a single PutLogEvents request cannot span more \
                    than 24 hours."
            .to_owned());
    }
    Ok(verdict)
}

fn verdict(events: &[(Timestamp, usize)], retention: Option<Duration>, now: Timestamp) -> Verdict {
    let before = |limit: Timestamp| events.partition_point(|(at, _)| *at < limit);
    let too_old = before(now - AGE_MAX);
    let expired = retention.map_or(0, |retention| before(now - retention));
    let new = events.partition_point(|(at, _)| *at <= now + AHEAD_MAX);
    Verdict {
        kept: too_old.max(expired).min(new)..new,
        // An event is called expired only where it is not too old already.
        expired_end: (expired > too_old).then_some(expired),
        too_old_end: (too_old > 0).then_some(too_old),
        too_new_start: (new < events.len()).then_some(new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const HOUR: Duration = Duration::from_secs(3600);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn events(times: &[Timestamp]) -> Vec<(Timestamp, usize)> {
        times.iter().map(|at| (*at, 10)).collect()
    }

    #[test]
    fn recent_events_are_kept() {
        let verdict = judge(&events(&[NOW - HOUR, NOW, NOW + HOUR]), None, NOW).unwrap();
        assert_eq!(verdict, Verdict { kept: 0..3, ..Verdict::default() });
    }

    #[test]
    fn old_expired_and_future_events_are_rejected_by_index() {
        let times = [NOW - 20 * DAY, NOW - 5 * DAY, NOW - HOUR, NOW, NOW + 3 * HOUR];
        let verdict = judge(&events(&times), Some(3 * DAY), NOW).unwrap();
        assert_eq!(verdict.kept, 2..4);
        assert_eq!(verdict.too_old_end, Some(1));
        assert_eq!(verdict.expired_end, Some(2));
        assert_eq!(verdict.too_new_start, Some(4));
        let all_old = judge(&events(&times[..1]), None, NOW).unwrap();
        assert_eq!((all_old.kept, all_old.too_old_end), (1..1, Some(1)));
    }

    #[test]
    fn disorder_long_spans_and_large_batches_are_refused() {
        assert!(judge(&events(&[NOW, NOW - HOUR]), None, NOW).unwrap_err().contains("chronolog"));
        assert!(judge(&events(&[NOW - 2 * DAY, NOW]), None, NOW).unwrap_err().contains("24 hours"));
        let large = judge(&[(NOW, 600_000), (NOW, 600_000)], None, NOW).unwrap_err();
        assert_eq!(large, "Upload too large: 1200052 bytes exceeds limit of 1048576");
        let large = judge(&[(NOW, 1_048_577)], None, NOW).unwrap_err();
        assert_eq!(large, "Log event too large: 1048577 bytes exceeds limit of 1048576");
    }
}
