//! Tumbling windows: spans of equal length of the records' own times. AWS docs: *Using tumbling
//! windows*.

use std::time::Duration;

use haar_types::Timestamp;

/// Bytes of the state that a consumer may carry on.
pub const STATE_BYTES_MAX: usize = 1 << 20;

/// The window that a time lies in: its beginning and its end.
pub fn of(at: Timestamp, length: Duration) -> (Timestamp, Timestamp) {
    let millis = i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(1);
    let start = Timestamp(at.0 - at.0.rem_euclid(millis));
    (start, start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_follow_one_another_without_gap() {
        let length = Duration::from_secs(30);
        let (start, end) = of(Timestamp(95_000), length);
        assert_eq!((start, end), (Timestamp(90_000), Timestamp(120_000)));
        assert_eq!(of(end, length).0, end);
        assert_eq!(of(Timestamp(end.0 - 1), length).0, start);
    }
}
