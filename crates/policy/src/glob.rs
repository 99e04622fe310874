//! Matching with `*` and `?`.

/// One step of a pattern, after its variables were replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Glob {
    /// This letter.
    Letter(char),
    /// `?`: any one letter.
    One,
    /// `*`: any letters, none included.
    Any,
}

impl Glob {
    /// Reads wildcards out of a text.
    pub(crate) fn parse(text: &str) -> Vec<Self> {
        text.chars().map(Self::of).collect()
    }

    /// What a letter of a pattern stands for.
    pub(crate) fn of(letter: char) -> Self {
        match letter {
            '*' => Self::Any,
            '?' => Self::One,
            letter => Self::Letter(letter),
        }
    }
}

/// True when the pattern covers the whole text. Takes at most `pattern × text` steps.
pub(crate) fn matches(pattern: &[Glob], text: &str, ignore_case: bool) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut seen) = (0, 0);
    let mut last_any: Option<(usize, usize)> = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some(Glob::Any) => {
                last_any = Some((at, seen));
                at += 1;
            }
            Some(step) if covers(*step, text[seen], ignore_case) => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((any, from)) = last_any else { return false };
                (at, seen) = (any + 1, from + 1);
                last_any = Some((any, from + 1));
            }
        }
    }
    pattern[at..].iter().all(|step| *step == Glob::Any)
}

fn covers(step: Glob, letter: char, ignore_case: bool) -> bool {
    match step {
        Glob::One => true,
        Glob::Letter(wanted) => {
            wanted == letter || (ignore_case && wanted.to_lowercase().eq(letter.to_lowercase()))
        }
        Glob::Any => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same question, answered from the definition.
    fn by_definition(pattern: &[Glob], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some((Glob::Any, rest)), _) => {
                (0..=text.len()).any(|skip| by_definition(rest, &text[skip..]))
            }
            (Some((step, rest)), Some((letter, others))) => {
                covers(*step, *letter, false) && by_definition(rest, others)
            }
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_its_definition(pattern in "[ab*?]{0,7}", text in "[abc]{0,8}") {
            let pattern = Glob::parse(&pattern);
            let letters: Vec<char> = text.chars().collect();
            prop_assert_eq!(matches(&pattern, &text, false), by_definition(&pattern, &letters));
        }
    }

    #[test]
    fn case_counts_only_where_asked() {
        assert!(matches(&Glob::parse("Lambda:get*"), "lambda:GetFunction", true));
        assert!(!matches(&Glob::parse("Lambda:get*"), "lambda:GetFunction", false));
    }
}
