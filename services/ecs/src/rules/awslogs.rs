//! The `awslogs` log driver's options. *Developer Guide > Using the awslogs log driver*.

use std::collections::BTreeMap;

use haar_ecs_contract::model::LogConfiguration;
use haar_wire::customers_regex;
use regex::Regex;

/// Where and how a container's output becomes events.
#[derive(Clone, Debug)]
pub(crate) struct AwsLogs {
    pub(crate) group: String,
    pub(crate) region: String,
    pub(crate) stream_prefix: Option<String>,
    pub(crate) create_group: bool,
    /// A line that matches it begins an event; the lines after it belong to it.
    begins: Option<String>,
    /// Its `mode` is `blocking`; where it is told.
    blocks: Option<bool>,
    /// `max-buffer-size`.
    buffer: u64,
}

/// The mode in which no output is lost, and all that there are.
pub(crate) const BLOCKING: &str = "blocking";
pub(crate) const MODES: [&str; 2] = [BLOCKING, "non-blocking"];

/// `max-buffer-size` where it is not told.
const BUFFER_BYTES: u64 = 10 << 20;

/// What the driver knows. *API Reference > LogConfiguration*.
const OPTIONS: [&str; 8] = [
    "awslogs-create-group",
    "awslogs-datetime-format",
    "awslogs-group",
    "awslogs-multiline-pattern",
    "awslogs-region",
    "awslogs-stream-prefix",
    "max-buffer-size",
    "mode",
];

impl AwsLogs {
    /// Refuses options that a definition may not have; the error is AWS's.
    pub(crate) fn check(configuration: &LogConfiguration) -> Result<(), String> {
        let given = || configuration.options.iter().flatten();
        let strange = given().filter(|(name, _)| !OPTIONS.contains(&name.as_str()));
        let strange: Vec<&str> = strange.map(|(name, _)| name.as_str()).collect();
        if !strange.is_empty() {
            return Err(format!("Log driver awslogs disallows options: {}", strange.join(", ")));
        }
        if given().any(|(name, value)| name == "awslogs-create-group" && value != "true") {
            let text = "Log driver awslogs option 'awslogs-create-group' should only be set to \
                        'true', else omit option.";
            return Err(text.to_owned());
        }
        Self::read(configuration)?.begins().map(drop)
    }

    /// Reads the options; the error is AWS's.
    pub(crate) fn read(configuration: &LogConfiguration) -> Result<Self, String> {
        let none = BTreeMap::new();
        let options = configuration.options.as_ref().unwrap_or(&none);
        let text = |name: &str| options.get(name).filter(|value| !value.is_empty()).cloned();
        let need = |name: &str| {
            let text = text(name);
            let empty =
                || format!("Log driver awslogs option '{name}' should not be null or empty.");
            text.ok_or_else(empty)
        };
        let mode = text("mode");
        if let Some(mode) = mode.as_ref().filter(|mode| !MODES.contains(&mode.as_str())) {
            return Err(format!("Log driver awslogs option 'mode' cannot be '{mode}'."));
        }
        let buffer = match text("max-buffer-size") {
            None => BUFFER_BYTES,
            Some(size) => bytes(&size).ok_or_else(|| {
                format!("Log driver awslogs option 'max-buffer-size' cannot be '{size}'.")
            })?,
        };
        Ok(Self {
            group: need("awslogs-group")?,
            region: need("awslogs-region")?,
            stream_prefix: text("awslogs-stream-prefix"),
            create_group: text("awslogs-create-group").is_some_and(|value| value == "true"),
            begins: beginning(text("awslogs-multiline-pattern"), text("awslogs-datetime-format"))?,
            blocks: mode.map(|mode| mode == BLOCKING),
            buffer,
        })
    }

    /// What a line that begins an event matches; the error is of the kind of AWS's. Making it may
    /// take milliseconds: it is made when a definition is checked,
    /// when a container is made ready, and when its log begins.
    pub(crate) fn begins(&self) -> Result<Option<Regex>, String> {
        let Some(source) = &self.begins else { return Ok(None) };
        let unread = || format!("Log driver awslogs cannot read the multiline pattern '{source}'.");
        customers_regex(source).map(Some).ok_or_else(unread)
    }

    /// Output that waits for its log, and what comes beyond is lost; `None`: all of it waits.
    /// `blocks_usually` counts where the definition names no mode.
    pub(crate) fn buffer_bytes(&self, blocks_usually: bool) -> Option<u64> {
        (!self.blocks.unwrap_or(blocks_usually)).then_some(self.buffer)
    }

    /// `PREFIX/CONTAINER/TASK`.
    pub(crate) fn stream(&self, container: &str, task_id: &str) -> String {
        match &self.stream_prefix {
            Some(prefix) => format!("{prefix}/{container}/{task_id}"),
            None => format!("{container}/{task_id}"),
        }
    }
}

fn beginning(pattern: Option<String>, format: Option<String>) -> Result<Option<String>, String> {
    match (pattern, format) {
        (Some(_), Some(_)) => {
            let text = "Log driver awslogs options 'awslogs-datetime-format' and \
                        'awslogs-multiline-pattern' cannot be configured at the same time.";
            Err(text.to_owned())
        }
        (pattern, format) => Ok(pattern.or_else(|| format.as_deref().map(date_pattern))),
    }
}

/// A strftime format as a regular expression.
fn date_pattern(format: &str) -> String {
    let mut pattern = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            pattern.push_str(&regex::escape(&letter.to_string()));
            continue;
        }
        pattern.push_str(match letters.next() {
            Some('a') => "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)",
            Some('A') => "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)",
            Some('b') => "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)",
            Some('B') => {
                "(?:January|February|March|April|May|June|July|August|September|October|November|\
                 December)"
            }
            Some('d' | 'H' | 'I' | 'm' | 'M' | 'S' | 'y' | 'U' | 'W') => r"\d{2}",
            Some('f') => r"\d{1,9}",
            Some('j') => r"\d{3}",
            Some('L') => r"\.\d{3}",
            Some('p') => "[AP]M",
            Some('w') => r"\d",
            Some('Y') => r"\d{4}",
            Some('z') => r"[+-]\d{4}",
            Some('Z') => "[A-Z]{1,4}T?",
            Some('%') => "%",
            _ => "",
        });
    }
    pattern
}

/// Reads `25m`, `1024k`, `1g` or plain bytes.
fn bytes(size: &str) -> Option<u64> {
    let lower = size.trim().to_ascii_lowercase();
    let lower = lower.strip_suffix('b').unwrap_or(&lower);
    let (number, shift) = match lower.chars().last()? {
        'k' => (&lower[..lower.len() - 1], 10),
        'm' => (&lower[..lower.len() - 1], 20),
        'g' => (&lower[..lower.len() - 1], 30),
        _ => (lower, 0),
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use haar_ecs_contract::model::LogDriver;

    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<AwsLogs, String> {
        let all = [("awslogs-group", "g"), ("awslogs-region", "us-east-1")];
        let all = all.iter().chain(options).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let options = Some(all.collect());
        let log_driver = LogDriver::Awslogs;
        AwsLogs::read(&LogConfiguration { log_driver, options, ..Default::default() })
    }

    #[test]
    fn streams_are_named_by_prefix_container_and_task() {
        let logs = read(&[("awslogs-stream-prefix", "p")]).unwrap();
        assert_eq!(logs.stream("web", "abc"), "p/web/abc");
        assert_eq!(read(&[]).unwrap().stream("web", "abc"), "web/abc");
        assert!(read(&[("awslogs-group", "")]).is_err());
    }

    #[test]
    fn what_waits_for_the_log_is_bounded_by_the_mode() {
        let size = ("max-buffer-size", "1m");
        let waits = |options: &[_], usually| read(options).unwrap().buffer_bytes(usually);
        assert_eq!(waits(&[size], false), Some(1 << 20));
        assert_eq!(waits(&[size], true), None);
        assert_eq!(waits(&[size, ("mode", "non-blocking")], true), Some(1 << 20));
        assert_eq!(waits(&[("mode", "blocking")], false), None);
        assert!(read(&[("mode", "perhaps")]).is_err());
    }

    #[test]
    fn a_date_begins_an_event() {
        let logs = read(&[("awslogs-datetime-format", r"\[%b %d, %Y %H:%M:%S\]")]);
        let begins = logs.unwrap().begins().unwrap().unwrap();
        assert!(begins.is_match(r"\[Jan 31, 2026 09:30:00\] begun"));
        assert!(!begins.is_match("    at line 7"));
        let both = [("awslogs-datetime-format", "%Y"), ("awslogs-multiline-pattern", "x")];
        assert!(read(&both).is_err());
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("25m"), Some(25 << 20));
        assert_eq!(bytes("1024"), Some(1024));
        assert_eq!(bytes("4kb"), Some(4096));
        assert_eq!(bytes("big"), None);
    }
}
