//! `Filter.N`: names, values with wildcards, and what each resource says to them.

use haar_ec2_contract::Filter;
use haar_types::Tags;
use haar_wire::AwsError;

use crate::refusal::{invalid, refuse};

/// Values of one filter at most, and filters of one request.
const VALUES_MAX: usize = 200;

/// The filters of a request: all must match, each by any of its values.
/// AWS docs: *Amazon EC2 User Guide > List and filter your resources*.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters(Vec<(String, Vec<String>)>);

impl Filters {
    /// Reads a request's filters.
    pub(crate) fn new(filters: Option<Vec<Filter>>) -> Result<Self, AwsError> {
        let mut read = Vec::new();
        for filter in filters.unwrap_or_default() {
            let Some(name) = filter.name.filter(|name| !name.is_empty()) else {
                let text = "The filter must have a name";
                return Err(invalid(text));
            };
            let values = filter.values.unwrap_or_default();
            if values.len() > VALUES_MAX {
                let text = format!(
                    "The maximum number of filter values specified on a single \
                                    call is {VALUES_MAX}"
                );
                return Err(refuse("FilterLimitExceeded", text));
            }
            read.push((name, values));
        }
        Ok(Self(read))
    }

    /// Whether a resource matches. `says` answers a filter's name with the resource's values,
    /// `None` for a name that this kind of resource does not know.
    pub(crate) fn match_(
        &self,
        tags: &Tags,
        says: impl Fn(&str) -> Option<Vec<String>>,
    ) -> Result<bool, AwsError> {
        for (name, wanted) in &self.0 {
            let found = match tag_values(tags, name).or_else(|| says(name)) {
                Some(found) => found,
                None => return Err(invalid(format!("The filter '{name}' is invalid"))),
            };
            let hit = wanted.iter().any(|pattern| found.iter().any(|text| like(pattern, text)));
            if !hit {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Names the filters in page tokens.
    pub(crate) fn scope(&self) -> String {
        format!("{:?}", self.0)
    }
}

fn tag_values(tags: &Tags, name: &str) -> Option<Vec<String>> {
    if let Some(key) = name.strip_prefix("tag:") {
        return Some(tags.get(key).cloned().into_iter().collect());
    }
    match name {
        "tag-key" => Some(tags.keys().cloned().collect()),
        "tag-value" => Some(tags.values().cloned().collect()),
        _ => None,
    }
}

/// How filters see a boolean.
pub(crate) fn flag(value: bool) -> Vec<String> {
    vec![value.to_string()]
}

/// Matches a value against a pattern: `*` is any text, `?` one letter, a backslash takes both
/// literally.
pub(crate) fn like(pattern: &str, text: &str) -> bool {
    let pattern = pieces(pattern);
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(Piece::Any) => {
                star = Some((at, from));
                at += 1;
            }
            Some(Piece::One) => (at, from) = (at + 1, from + 1),
            Some(Piece::Letter(letter)) if *letter == text[from] => (at, from) = (at + 1, from + 1),
            _ => match star {
                Some((star_at, star_from)) => {
                    star = Some((star_at, star_from + 1));
                    (at, from) = (star_at + 1, star_from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|piece| matches!(piece, Piece::Any))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Any,
    One,
    Letter(char),
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut letters = pattern.chars();
    let mut out = Vec::new();
    while let Some(letter) = letters.next() {
        out.push(match letter {
            '*' => Piece::Any,
            '?' => Piece::One,
            '\\' => Piece::Letter(letters.next().unwrap_or('\\')),
            other => Piece::Letter(other),
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_wildcards() {
        for (pattern, text) in
            [("*", ""), ("web*", "web-1"), ("?x*z", "axyz"), ("a**b", "ab"), (r"\*a\?", "*a?")]
        {
            assert!(like(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a?", "a"), ("*b", "abc"), (r"\*", "x"), ("A", "a")] {
            assert!(!like(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn all_filters_must_match_and_each_by_any_value() {
        let filter = |name: &str, values: &[&str]| Filter {
            name: Some(name.to_owned()),
            values: Some(values.iter().map(|value| (*value).to_owned()).collect()),
        };
        let tags = Tags::from([("team".to_owned(), "blue".to_owned())]);
        let says = |name: &str| (name == "state").then(|| vec!["available".to_owned()]);
        let matches =
            |filters: Vec<Filter>| Filters::new(Some(filters)).unwrap().match_(&tags, says).ok();
        assert_eq!(matches(vec![filter("state", &["pending", "avail*"])]), Some(true));
        assert_eq!(matches(vec![filter("tag:team", &["red"])]), Some(false));
        let both = vec![filter("tag-key", &["team"]), filter("state", &["gone"])];
        assert_eq!(matches(both), Some(false));
        assert_eq!(matches(vec![filter("colour", &["red"])]), None);
    }
}
