//! What is wrong with a pattern, and where.

/// Why a text is not a pattern. Shown as the service shows it: the reason, then a line that tells
/// the place: ` at [Source: (String)"TEXT"; line: 1, column: 9]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}\n at {}", place(.source_text, *.line, *.column))]
pub struct PatternError {
    /// What is wrong, without the place.
    pub reason: String,
    /// The text that was to be compiled.
    pub source_text: String,
    /// Line of the place that reading had come to, from 1.
    pub line: usize,
    /// Column behind what was read last, from 1.
    pub column: usize,
}

/// Characters of the source that are shown.
const SHOWN_MAX: usize = 500;

/// `[Source: (String)"TEXT"; line: 1, column: 9]`.
pub(crate) fn place(source: &str, line: usize, column: usize) -> String {
    let length = source.chars().count();
    let shown: String = source.chars().take(SHOWN_MAX).collect();
    let cut = match length.saturating_sub(SHOWN_MAX) {
        0 => String::new(),
        left => format!("[truncated {left} chars]"),
    };
    format!("[Source: (String)\"{shown}\"{cut}; line: {line}, column: {column}]")
}
