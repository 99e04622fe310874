//! Cuts a stream of output into log events.

/// Longest log event. AWS docs: *CloudWatch Logs quotas* (256 KB with 26 bytes of overhead).
const EVENT_BYTES_MAX: usize = (256 << 10) - 26;

/// The same without its line break.
const LINE_BYTES_MAX: usize = EVENT_BYTES_MAX - 1;

/// Stands for a line break inside one event; written by haar's bootstraps.
const INNER_BREAK: u8 = 0x1e;

/// The last line of one output stream, while its end is still to come.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    partial: Vec<u8>,
}

impl Splitter {
    /// Takes some output and gives each event that it completes, with the line break that ends
    /// it, as CloudWatch Logs shows it.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut event: impl FnMut(String)) {
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            self.extend(&bytes[..at], &mut event);
            self.partial.push(b'\n');
            self.flush_line(&mut event);
            bytes = &bytes[at + 1..];
        }
        self.extend(bytes, &mut event);
    }

    /// Gives what is left as an event, without a line break.
    pub(super) fn flush(&mut self, mut event: impl FnMut(String)) {
        self.flush_line(&mut event);
    }

    fn extend(&mut self, mut bytes: &[u8], event: &mut impl FnMut(String)) {
        while self.partial.len() + bytes.len() > LINE_BYTES_MAX {
            let (fits, rest) = bytes.split_at(LINE_BYTES_MAX - self.partial.len());
            self.partial.extend_from_slice(fits);
            self.flush_line(event);
            bytes = rest;
        }
        self.partial.extend_from_slice(bytes);
    }

    fn flush_line(&mut self, event: &mut impl FnMut(String)) {
        if self.partial.is_empty() {
            return; // CloudWatch Logs has no empty events
        }
        for byte in &mut self.partial {
            if *byte == INNER_BREAK {
                *byte = b'\n';
            }
        }
        let line = String::from_utf8_lossy(&self.partial).into_owned();
        self.partial.clear();
        event(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(chunks: &[&[u8]]) -> Vec<String> {
        let (mut splitter, mut events) = (Splitter::default(), Vec::new());
        for chunk in chunks {
            splitter.push(chunk, |event| events.push(event));
        }
        splitter.flush(|event| events.push(event));
        events
    }

    #[test]
    fn lines_are_events_whatever_the_chunks() {
        assert_eq!(events(&[b"one\ntw", b"o\n\n", b"three"]), ["one\n", "two\n", "\n", "three"]);
        assert_eq!(events(&[b"a\x1e  b\nc"]), ["a\n  b\n", "c"]);
    }

    #[test]
    fn a_line_without_end_is_cut_to_the_longest_event() {
        let long = vec![b'x'; 600 << 10];
        let lengths: Vec<usize> = events(&[&long]).iter().map(String::len).collect();
        assert_eq!(lengths, [LINE_BYTES_MAX, LINE_BYTES_MAX, (600 << 10) - 2 * LINE_BYTES_MAX]);
    }
}
