//! Log groups as targets: events are lines of streams.

use std::collections::BTreeMap;
use std::time::Duration;

use haar_logs_contract::model::{
    CreateLogStream, CreateLogStreamRequest, InputLogEvent, PutLogEvents, PutLogEventsRequest,
    PutLogEventsResponse, RejectedLogEventsInfo,
};

use super::super::event::Shipped;
use super::super::failure::Failure;
use super::super::journal::group_of_arn;
use super::super::run::{Passed, Run, Stage};
use super::batch::time;
use super::calls::{Left, cut};
use super::text;

/// What one `PutLogEvents` takes. AWS docs: *PutLogEvents*.
const BYTES_MAX: usize = 1 << 20;
/// Bytes that a line counts beside its text.
const LINE_OVERHEAD: usize = 26;
/// From the first line of a call to its last.
const SPAN_MAX: Duration = Duration::from_secs(24 * 3600);

/// The lines of one call, by their times, each with its event's place.
type Lines = Vec<(usize, InputLogEvent)>;

impl Run<'_> {
    /// Each event is a line, whatever the template: AWS docs: *CloudWatch Logs group*.
    pub(super) async fn to_log_group(&self, shipped: &[Shipped]) -> Result<Passed, Failure> {
        let mut calls = self.lines(shipped).into_iter();
        let mut left = Left::new();
        while let Some((stream, lines)) = calls.next() {
            let (places, log_events): (Vec<usize>, Vec<_>) = lines.into_iter().unzip();
            match self.put_lines(stream, log_events).await {
                Ok(answer) => left.extend(rejected(answer.rejected_log_events_info, &places)),
                Err(failure) => {
                    let behind = calls.flat_map(|(_, lines)| lines).map(|(place, _)| place);
                    let rest = places.into_iter().chain(behind);
                    return self.broke_off(shipped, left, rest, &failure);
                }
            }
        }
        self.passed(shipped, &left)
    }

    /// Lines by calls: of one stream each, within what a call may hold.
    fn lines(&self, shipped: &[Shipped]) -> Vec<(String, Lines)> {
        let mut streams = BTreeMap::<String, Lines>::new();
        for (place, one) in shipped.iter().enumerate() {
            // *Ours*: AWS does not say what the stream is named where nobody names it.
            let stream = text(&one.parameters, "LogStreamName").unwrap_or(&self.row.key.name);
            let at = text(&one.parameters, "Timestamp").and_then(time);
            let timestamp = at.unwrap_or_else(|| self.now()).0;
            let event = InputLogEvent { timestamp, message: one.text.clone() };
            streams.entry(stream.to_owned()).or_default().push((place, event));
        }
        let mut calls = Vec::new();
        for (stream, mut lines) in streams {
            lines.sort_by_key(|(_, event)| event.timestamp);
            calls.extend(by_calls(lines).into_iter().map(|lines| (stream.clone(), lines)));
        }
        calls
    }

    /// Writes lines; a stream that is not there is made.
    async fn put_lines(
        &self,
        stream: String,
        log_events: Vec<InputLogEvent>,
    ) -> Result<PutLogEventsResponse, Failure> {
        let arn = self.row.target.as_str();
        let input = PutLogEventsRequest {
            log_group_name: group_of_arn(arn).unwrap_or_default(),
            log_stream_name: stream,
            log_events,
            ..PutLogEventsRequest::default()
        };
        let put = self.call::<PutLogEvents>(Stage::Target, arn, input.clone()).await;
        match put {
            Err(failure) if failure.code == "ResourceNotFoundException" => {
                let stream = CreateLogStreamRequest {
                    log_group_name: input.log_group_name.clone(),
                    log_stream_name: input.log_stream_name.clone(),
                };
                match self.call::<CreateLogStream>(Stage::Target, arn, stream).await {
                    Err(failure) if failure.code != "ResourceAlreadyExistsException" => {
                        return Err(failure);
                    }
                    _ => {}
                }
                self.call::<PutLogEvents>(Stage::Target, arn, input).await
            }
            put => put,
        }
    }
}

/// Lines in the order of their times, cut by what a call holds: bytes, and a day.
fn by_calls(lines: Lines) -> Vec<Lines> {
    let mut days = Vec::<Lines>::new();
    for line in lines {
        let is_of_last = |day: &Lines| {
            let first = day.first().map_or(0, |(_, event)| event.timestamp);
            i128::from(line.1.timestamp) - i128::from(first) <= SPAN_MAX.as_millis() as i128
        };
        match days.last_mut() {
            Some(day) if is_of_last(day) => day.push(line),
            _ => days.push(vec![line]),
        }
    }
    let mut calls = Vec::new();
    for day in days {
        let sizes = day.iter().map(|(_, event)| event.message.len() + LINE_OVERHEAD);
        let ranges = cut(sizes, BYTES_MAX);
        let mut day = day.into_iter();
        calls.extend(ranges.into_iter().map(|range| day.by_ref().take(range.len()).collect()));
    }
    calls
}

/// Places of the lines that were not taken.
fn rejected(info: Option<RejectedLogEventsInfo>, places: &[usize]) -> Left {
    let Some(info) = info else { return Left::new() };
    let index = |given: Option<i32>| given.and_then(|index| usize::try_from(index).ok());
    let too_old = index(info.too_old_log_event_end_index).unwrap_or(0);
    let expired = index(info.expired_log_event_end_index).unwrap_or(0);
    let too_new = index(info.too_new_log_event_start_index).unwrap_or(usize::MAX);
    let why = |(at, place): (usize, &usize)| {
        let text = match at {
            at if at < too_old => "The log event is too old.",
            at if at < expired => "The log event has expired.",
            at if at >= too_new => "The log event is too new.",
            _ => return None,
        };
        Some((*place, text.to_owned()))
    };
    places.iter().enumerate().filter_map(why).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_hold_a_day_and_a_mebibyte() {
        const HOUR: i64 = 3_600_000;
        let line = |(place, hour): (usize, i64)| {
            let size = if hour < 20 { 10 } else { 600_000 };
            let event = InputLogEvent { timestamp: hour * HOUR, message: "x".repeat(size) };
            (place, event)
        };
        let lines = [0, 1, 20, 24, 25].into_iter().enumerate().map(line).collect();
        let places = |lines: Lines| lines.into_iter().map(|(place, _)| place).collect::<Vec<_>>();
        let calls: Vec<_> = by_calls(lines).into_iter().map(places).collect();
        assert_eq!(calls, [vec![0, 1, 2], vec![3], vec![4]]);
    }

    #[test]
    fn lines_before_and_behind_the_indexes_are_left() {
        let info = |old, expired, new| {
            Some(RejectedLogEventsInfo {
                too_old_log_event_end_index: old,
                expired_log_event_end_index: expired,
                too_new_log_event_start_index: new,
            })
        };
        let left = |info| {
            let left = rejected(info, &[7, 3, 5, 1]);
            left.into_iter().map(|(place, _)| place).collect::<Vec<_>>()
        };
        assert!(left(None).is_empty());
        assert_eq!(left(info(Some(1), None, None)), [7]);
        assert_eq!(left(info(Some(1), Some(2), Some(3))), [7, 3, 1]);
    }
}
