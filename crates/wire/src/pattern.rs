//! Java's regular expressions in the words of Rust's.

/// Rewrites a Java pattern for Rust's engines, anchored at both ends.
pub(crate) fn from_java(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 8);
    out.push_str("^(?:");
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
                Some(class @ ('w' | 'd' | 's')) => push_class(&mut out, class, depth > 0),
                Some(next) => out.extend(['\\', next]),
                None => out.push_str("\\\\"),
            },
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
    out.push_str(")$");
    out
}

/// Java's short classes hold ASCII alone; Rust's would hold all of Unicode.
fn push_class(out: &mut String, class: char, within_brackets: bool) {
    let letters = match class {
        'w' => "0-9A-Za-z_",
        'd' => "0-9",
        _ => r" \t\n\x0B\f\r",
    };
    match within_brackets {
        true => out.push_str(letters),
        false => out.push_str(&format!("[{letters}]")),
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
    use crate::schema::Pattern;

    #[test]
    fn a_pattern_matches_the_whole_text() {
        let pattern = Pattern::new("[a-z]+");
        assert!(pattern.matches("abc"));
        assert!(!pattern.matches("abc1"));
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
        assert!(Pattern::new(r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+").matches("Zürich 1"));
    }
}
