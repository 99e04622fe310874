//! Java's regular expressions in the words of Rust's.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

/// Bytes of a customer's pattern, and of what becomes of it. *Ours*: beyond them it takes seconds.
const SOURCE_BYTES_MAX: usize = 4096;
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// A customer's regular expression as Java and Go read it (in brackets as Go: others and `&&` within
/// them are plain), which matches any part of a text;
/// `None` where it is none, or would take too long to make or too much memory to keep.
pub fn customers_regex(source: &str) -> Option<Regex> {
    if source.len() > SOURCE_BYTES_MAX {
        return None;
    }
    RegexBuilder::new(&translated(source))
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(COMPILED_BYTES_MAX)
        .build()
        .ok()
}

/// Rewrites a Java pattern for Rust's engines, anchored at both ends.
pub(crate) fn from_java(source: &str) -> String {
    format!("^(?:{})$", translated(source))
}

fn translated(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 8);
    let mut rest = source.chars().peekable();
    let mut depth = 0_usize;
    while let Some(letter) = rest.next() {
        match letter {
            '\\' => match rest.next() {
                Some('u') => {
                    let digits: String = rest.by_ref().take(4).collect();
                    push_code_unit(&mut out, &digits);
                }
                Some('/') => out.push('/'),
                Some(class @ ('w' | 'd' | 's' | 'W' | 'D' | 'S')) => push_class(&mut out, class),
                Some(next) => out.extend(['\\', next]),
                None => out.push_str("\\\\"),
            },
            '[' if depth > 0 && rest.peek() == Some(&':') => push_posix(&mut out, &mut rest),
            // An opening bracket within a class is plain in the models' patterns.
            '[' if depth > 0 => out.push_str("\\["),
            '[' => {
                depth = 1;
                out.push('[');
                if rest.peek() == Some(&'^') {
                    rest.next();
                    out.push('^');
                }
                // A closing bracket that comes first stands for itself.
                if rest.peek() == Some(&']') {
                    rest.next();
                    out.push_str("\\]");
                }
            }
            ']' => {
                depth = 0;
                out.push(']');
            }
            '&' | '~' if depth > 0 => out.extend(['\\', letter]),
            '-' if depth > 0 && rest.peek() == Some(&'-') => out.push_str("\\-"),
            _ => out.push(letter),
        }
    }
    out
}

/// Java's short classes hold ASCII alone; Rust's would hold all of Unicode. Within brackets too they
/// have brackets of their own, so that a `-` behind one stands for itself.
fn push_class(out: &mut String, class: char) {
    let letters = match class {
        'w' => "0-9A-Za-z_",
        'd' => "0-9",
        's' => r" \t\n\x0B\f\r",
        'W' => "^0-9A-Za-z_",
        'D' => "^0-9",
        _ => r"^ \t\n\x0B\f\r",
    };
    out.extend(["[", letters, "]"]);
}

/// `[:alpha:]` and `[:^alpha:]` within brackets, of Go's; else the bracket is plain, as it is in Java's.
fn push_posix(out: &mut String, rest: &mut Peekable<Chars<'_>>) {
    let not = if rest.clone().nth(1) == Some('^') { "^" } else { "" };
    let name = rest.clone().skip(1 + not.len());
    let name: String = name.take_while(|letter| letter.is_ascii_lowercase()).collect();
    let text = format!(":{not}{name}:]");
    match rest.clone().take(text.len()).eq(text.chars()) {
        true => {
            out.push('[');
            out.extend(rest.take(text.len()));
        }
        false => out.push_str("\\["),
    }
}

/// Halves of surrogate pairs have no place in Rust's text: they are moved to its borders.
fn push_code_unit(out: &mut String, digits: &str) {
    let code = u32::from_str_radix(digits, 16).unwrap_or(0xFFFD);
    let code = match code {
        0xD800..=0xDBFF => 0xD7FF,
        0xDC00..=0xDFFF => 0xE000,
        other => other,
    };
    out.push_str(&format!("\\x{{{code:X}}}"));
}

#[cfg(test)]
mod tests {
    use super::customers_regex;
    use crate::schema::Pattern;

    #[test]
    fn a_pattern_matches_the_whole_text() {
        let pattern = Pattern::new("[a-z]+");
        assert!(pattern.matches("abc"));
        assert!(!pattern.matches("abc1"));
    }

    #[test]
    fn customers_patterns_are_bounded_and_match_any_part() {
        let begins = customers_regex(r"^\[?\d{4}-\d{2}-\d{2}[T ]\w{1,64}.[[:upper:]-]").unwrap();
        assert!(begins.is_match("[2026-01-31 started\u{fc}A on"));
        assert!(!begins.is_match("[2026-01-31 started\u{fc}a on"));
        let plain = customers_regex(r"^[\s-:][\w-.][[:^digit:]]$").unwrap();
        assert!([" -a", "-.-", ":_ "].iter().all(|text| plain.is_match(text)));
        assert!(["1-a", " `a", " -1"].iter().all(|text| !plain.is_match(text)));
        let (long, deep) = ("a".repeat(5000), r"((\w{99}){99}){99}");
        for bad in ["(", "[a", &long, deep, &r"(?i)\pL{9}".repeat(400)] {
            assert!(customers_regex(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn javas_escapes_and_look_around_are_understood() {
        let control = Pattern::new(r"[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]*");
        assert!(control.matches("plain text\n"));
        assert!(!control.matches("\u{7f}"));
        let name = Pattern::new(r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)");
        assert!(name.matches("live-1"));
        assert!(!name.matches("123"));
        let user = Pattern::new(r"[\w+=,.@-]+\d\s?");
        assert!(user.matches("ann.b-c_1 ") && user.matches("a9"));
        assert!(!user.matches("j\u{fc}rgen1") && !user.matches("a\u{663}"));
        let strange = Pattern::new(r"[^\W_]\D\S+");
        assert!(strange.matches("a\u{663}\u{a0}\u{fc}"));
        assert!(!strange.matches("\u{fc}ab") && !strange.matches("a1b"));
        assert!(Pattern::new(r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+").matches("Zürich 1"));
    }
}
