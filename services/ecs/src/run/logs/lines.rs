//! Output cut into events.

use haar_substrate::{LogChunk, Stdio};
use haar_types::Timestamp;
use regex::Regex;

/// Most bytes of one event; longer lines are cut. *CloudWatch Logs User Guide > Quotas*.
const EVENT_BYTES_MAX: usize = 262_144 - 26;

/// One event: when, and what.
pub(super) type Event = (Timestamp, String);

/// Cuts both output streams into lines, and gathers lines into events.
pub(super) struct Lines {
    begins: Option<Regex>,
    out: Partial,
    err: Partial,
    /// An event of many lines that may get more, and where it began.
    held: Option<(Event, u64)>,
}

/// A line without its end.
#[derive(Default)]
struct Partial {
    bytes: Vec<u8>,
    begun_at: u64,
    at: Timestamp,
}

impl Lines {
    /// Cuts at line feeds; with `begins`, lines that do not match belong to those before.
    pub(super) fn new(begins: Option<Regex>) -> Self {
        Self { begins, out: Partial::default(), err: Partial::default(), held: None }
    }

    /// Takes some output; answers the events that it completes. `from` is the position that it was
    /// asked for by: output can be read again from there, and not from within a chunk.
    pub(super) fn take(&mut self, from: u64, chunk: &LogChunk) -> Vec<Event> {
        let mut events = Vec::new();
        for piece in chunk.bytes.split_inclusive(|byte| *byte == b'\n') {
            let partial = self.partial(chunk.stream);
            if partial.bytes.is_empty() {
                partial.begun_at = from;
            }
            partial.at = chunk.at;
            partial.bytes.extend_from_slice(piece);
            let is_whole = piece.ends_with(b"\n");
            if is_whole || partial.bytes.len() >= EVENT_BYTES_MAX {
                self.end_line(chunk.stream, &mut events);
            }
        }
        events
    }

    fn partial(&mut self, stream: Stdio) -> &mut Partial {
        match stream {
            Stdio::Out => &mut self.out,
            Stdio::Err => &mut self.err,
        }
    }

    fn end_line(&mut self, stream: Stdio, events: &mut Vec<Event>) {
        let line = std::mem::take(self.partial(stream));
        let bytes = line.bytes.strip_suffix(b"\n").unwrap_or(&line.bytes);
        let text = String::from_utf8_lossy(bytes).into_owned();
        let Some(begins) = &self.begins else {
            events.push((line.at, text));
            return;
        };
        match &mut self.held {
            Some(((_, held), _)) if !begins.is_match(&text) && held.len() < EVENT_BYTES_MAX => {
                held.push('\n');
                held.push_str(&text);
            }
            held => {
                let before = held.replace(((line.at, text), line.begun_at));
                events.extend(before.map(|(event, _)| event));
            }
        }
    }

    /// The event that might have got more lines.
    pub(super) fn release(&mut self) -> Vec<Event> {
        self.held.take().map(|(event, _)| event).into_iter().collect()
    }

    /// The lines that never got their end.
    pub(super) fn finish(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        for stream in [Stdio::Out, Stdio::Err] {
            if !self.partial(stream).bytes.is_empty() {
                self.end_line(stream, &mut events);
            }
        }
        events.extend(self.release());
        events
    }

    /// Up to where everything is in events, when all up to `next` was taken.
    pub(super) fn position(&self, next: u64) -> u64 {
        let partials = [&self.out, &self.err].into_iter().filter(|one| !one.bytes.is_empty());
        let begun = partials.map(|one| one.begun_at).chain(self.held.iter().map(|(_, at)| *at));
        begun.min().unwrap_or(next).min(next)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    struct Output(Lines, u64);

    impl Output {
        fn say(&mut self, stream: Stdio, text: &str) -> Vec<String> {
            let from = self.1;
            self.1 += 16 + text.len() as u64;
            let bytes = Bytes::copy_from_slice(text.as_bytes());
            let chunk = LogChunk { next: self.1, at: Timestamp(7), stream, bytes, lost: 0 };
            self.0.take(from, &chunk).into_iter().map(|(_, text)| text).collect()
        }
    }

    #[test]
    fn lines_of_both_streams_are_kept_apart() {
        let mut output = Output(Lines::new(None), 0);
        assert_eq!(output.say(Stdio::Out, "one\ntw"), ["one"]);
        assert_eq!(output.0.position(output.1), 0);
        assert_eq!(output.say(Stdio::Err, "bad\n"), ["bad"]);
        assert_eq!(output.say(Stdio::Out, "o\nthree"), ["two"]);
        assert_eq!(output.0.finish(), [(Timestamp(7), "three".to_owned())]);
        assert_eq!(output.0.position(output.1), output.1);
    }

    #[test]
    fn a_pattern_gathers_lines_into_events() {
        let mut output = Output(Lines::new(Some(Regex::new("^INFO").unwrap())), 0);
        assert!(output.say(Stdio::Out, "INFO begun\n").is_empty());
        assert!(output.say(Stdio::Out, "  at a\n  at b\n").is_empty());
        assert_eq!(output.0.position(output.1), 0);
        assert_eq!(output.say(Stdio::Out, "INFO next\n"), ["INFO begun\n  at a\n  at b"]);
        assert_eq!(output.0.release(), [(Timestamp(7), "INFO next".to_owned())]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let mut output = Output(Lines::new(None), 0);
        let events = output.say(Stdio::Out, &"x".repeat(EVENT_BYTES_MAX + 5));
        assert_eq!(events.len(), 1);
    }
}
