//! Texts with policy variables: `arn:aws:s3:::home/${aws:username, 'nobody'}/*`.

use crate::context::RequestContext;
use crate::glob::Glob;

/// A policy's text, its variables and wildcards found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Steps(Vec<Glob>),
    /// `name` is the key as it is written, `key` the same in lower case.
    Variable {
        name: String,
        key: String,
        default: Option<String>,
    },
}

impl Template {
    /// Takes a text apart. Variables exist from policy version 2012-10-17 on; in an older one
    /// `${aws:username}` stands for its own letters.
    pub(crate) fn parse(text: &str, wildcards: bool, variables: bool) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((plain, inner, behind)) = next_variable(rest).filter(|_| variables) {
            parts.push(steps(plain, wildcards));
            parts.push(variable(inner));
            rest = behind;
        }
        parts.push(steps(rest, wildcards));
        parts.retain(|part| *part != Part::Steps(Vec::new()));
        Self(parts)
    }

    /// The pattern for one request; `None` when a variable has no value and no default, so that
    /// nothing matches. A value's own `*` and `?` are letters.
    pub(crate) fn expand(&self, context: &RequestContext) -> Option<Vec<Glob>> {
        let mut pattern = Vec::new();
        for part in &self.0 {
            match part {
                Part::Steps(steps) => pattern.extend_from_slice(steps),
                Part::Variable { key, default, .. } => {
                    let value = match context.values(key) {
                        Some([value]) => value,
                        _ => default.as_ref()?, // several values: not usable as a variable
                    };
                    pattern.extend(value.chars().map(Glob::Letter));
                }
            }
        }
        Some(pattern)
    }

    /// The text for one request, wildcards written out again.
    pub(crate) fn text(&self, context: &RequestContext) -> Option<String> {
        let letter = |step: Glob| match step {
            Glob::Letter(letter) => letter,
            Glob::One => '?',
            Glob::Any => '*',
        };
        Some(self.expand(context)?.into_iter().map(letter).collect())
    }

    /// The keys that the variables name, as they are written.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Variable { name, .. } => Some(name.as_str()),
            Part::Steps(_) => None,
        })
    }
}

fn steps(text: &str, wildcards: bool) -> Part {
    Part::Steps(if wildcards {
        Glob::parse(text)
    } else {
        text.chars().map(Glob::Letter).collect()
    })
}

/// Text before the next variable, what is within its braces, text behind it.
fn next_variable(text: &str) -> Option<(&str, &str, &str)> {
    let start = text.find("${")?;
    let len = text[start + 2..].find('}')?;
    let end = start + 2 + len;
    Some((&text[..start], &text[start + 2..end], &text[end + 1..]))
}

fn variable(inner: &str) -> Part {
    if let "*" | "?" | "$" = inner {
        return Part::Steps(inner.chars().map(Glob::Letter).collect());
    }
    let (key, default) = match inner.split_once(',') {
        Some((key, default)) => (key, unquote(default.trim())),
        None => (inner, None),
    };
    let name = key.trim().to_owned();
    Part::Variable { key: name.to_lowercase(), name, default }
}

fn unquote(text: &str) -> Option<String> {
    Some(text.strip_prefix('\'')?.strip_suffix('\'')?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Principal;
    use crate::glob::matches;

    fn context(username: &str) -> RequestContext {
        let mut context = RequestContext::new(Principal::Anonymous, "s3:GetObject", "*");
        context.set("aws:username", [username]);
        context
    }

    #[test]
    fn a_variable_stands_for_its_value_to_the_letter() {
        let template = Template::parse("home/${aws:UserName}/*", true, true);
        let pattern = template.expand(&context("a*")).unwrap();
        assert!(matches(&pattern, "home/a*/file", false));
        assert!(!matches(&pattern, "home/ab/file", false));
    }

    #[test]
    fn a_variable_without_value_takes_its_default_or_matches_nothing() {
        let text = "team/${aws:PrincipalTag/team, 'none'}";
        let template = Template::parse(text, true, true);
        assert_eq!(template.text(&context("a")).as_deref(), Some("team/none"));
        assert_eq!(Template::parse("x${aws:x}", true, true).text(&context("a")), None);
    }

    #[test]
    fn escapes_and_old_versions_keep_their_letters() {
        let star = Template::parse("${*}${?}${$}", true, true).expand(&context("a")).unwrap();
        assert!(matches(&star, "*?$", false) && !matches(&star, "abc", false));
        let old = Template::parse("${aws:username}", true, false);
        assert_eq!(old.text(&context("a")).as_deref(), Some("${aws:username}"));
    }
}
