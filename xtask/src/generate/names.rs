//! AWS's names as Rust's.

use std::collections::BTreeMap;

/// Words that `r#` makes usable as names.
const KEYWORDS: &[&str] = &[
    "as", "async", "await", "break", "const", "continue", "dyn", "else", "enum", "extern", "false",
    "fn", "for", "gen", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub",
    "ref", "return", "static", "struct", "trait", "true", "try", "type", "unsafe", "use", "where",
    "while", "yield",
];
/// Words that `r#` does not help.
const RESERVED: &[&str] = &["self", "super", "crate"];
/// Type names that generated code must not hide.
const PRELUDE: &[&str] = &[
    "Option",
    "String",
    "Vec",
    "Box",
    "Result",
    "Some",
    "None",
    "Ok",
    "Err",
    "Default",
    "Clone",
    "Copy",
    "Send",
    "Sync",
    "Drop",
    "Fn",
    "Iterator",
    "From",
    "Into",
    "ToString",
    "Bytes",
    "Timestamp",
    "BTreeMap",
    "Body",
    "EventStream",
    "Schema",
    "Member",
    "Kind",
    "Location",
];

/// `KMSKeyArn` as a field: `kms_key_arn`.
pub(super) fn field(name: &str) -> String {
    let snake = snake(name);
    if RESERVED.contains(&snake.as_str()) {
        return format!("{snake}_");
    }
    if KEYWORDS.contains(&snake.as_str()) {
        return format!("r#{snake}");
    }
    snake
}

/// `KMSKeyArn` as a static: `KMS_KEY_ARN`.
pub(super) fn constant(name: &str) -> String {
    snake(name).to_uppercase()
}

fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (index, &letter) in letters.iter().enumerate() {
        if !letter.is_ascii_alphanumeric() {
            out.push('_');
            continue;
        }
        let before = index.checked_sub(1).map(|at| letters[at]);
        let after = letters.get(index + 1);
        // In `ARNs` the s belongs to the capitals.
        let plural = after == Some(&'s')
            && letters.get(index + 2).is_none_or(|next| next.is_ascii_uppercase());
        let begins = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || (before.is_ascii_uppercase()
                        && after.is_some_and(|after| after.is_ascii_lowercase())
                        && !plural)
            });
        if begins && !out.ends_with('_') {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// A shape's name as a type.
pub(super) fn type_name(name: &str) -> String {
    let mut letters =
        name.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_');
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    let name: String = first.into_iter().chain(letters).collect();
    if PRELUDE.contains(&name.as_str()) { format!("{name}Shape") } else { name }
}

/// Values of an enum as variants, each once.
pub(super) fn variants(values: &[String]) -> Vec<String> {
    let mut taken = BTreeMap::new();
    let mut out = Vec::new();
    for value in values {
        let mut name = variant(value);
        let count = taken.entry(name.clone()).or_insert(0);
        *count += 1;
        if *count > 1 {
            name = format!("{name}_{count}");
        }
        out.push(name);
    }
    out
}

fn variant(value: &str) -> String {
    let words = value.split(|letter: char| !letter.is_ascii_alphanumeric());
    let mut name: String = words.map(capitalised).collect();
    if name.is_empty() {
        name = "Empty".to_owned();
    }
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert(0, 'V');
    }
    if name == "Self" { "SelfValue".to_owned() } else { name }
}

fn capitalised(word: &str) -> String {
    let shouts = !word.chars().any(|letter| letter.is_ascii_lowercase());
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    let rest: String = letters.collect();
    let rest = if shouts { rest.to_ascii_lowercase() } else { rest };
    first.into_iter().collect::<String>() + &rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_like_rust() {
        assert_eq!(field("KMSKeyArn"), "kms_key_arn");
        assert_eq!(field("S3ObjectVersion"), "s3_object_version");
        assert_eq!(field("CodeSha256"), "code_sha256");
        assert_eq!(field("PolicyARNs"), "policy_arns");
        assert_eq!(field("Type"), "r#type");
        assert_eq!(type_name("dateType"), "DateType");
        assert_eq!(
            variants(&["nodejs20.x".into(), "x86_64".into(), "PASS_THROUGH".into()]),
            ["Nodejs20X", "X8664", "PassThrough"]
        );
    }
}
