//! Search expressions: which metrics `SEARCH('…', …)` finds.
//!
//! AWS docs: *Amazon CloudWatch User Guide > CloudWatch search expression syntax*.

/// A parsed search.
#[derive(Debug, PartialEq)]
pub(crate) struct Search {
    /// `{Namespace,Dimension,…}`: the namespace, and exactly these dimensions.
    schema: Option<(String, Vec<String>)>,
    term: Term,
}

#[derive(Debug, PartialEq)]
enum Term {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    /// `word`: some part of the metric has it, in any case.
    Word(String),
    /// `"text"`: some part of the metric is exactly this.
    Exact(String),
    /// `MetricName="Errors"`, `Namespace=…`, `FunctionName=…`.
    Property(String, Box<Self>),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open,
    Close,
    Equals,
    Word(String),
    Quoted(String),
}

impl Search {
    /// Reads a search; None where it makes no sense.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (schema, rest) = match text.strip_prefix('{') {
            Some(inner) => {
                let (schema, rest) = inner.split_once('}')?;
                let mut names = schema.split(',').map(|name| name.trim().trim_matches('"'));
                let namespace = names.next().filter(|name| !name.is_empty())?.to_owned();
                (Some((namespace, names.map(str::to_owned).collect())), rest)
            }
            None => (None, text),
        };
        let mut parser = Parser { tokens: tokens(rest)?, at: 0, depth: 0 };
        let term = parser.any()?;
        let whole = parser.at == parser.tokens.len();
        let says_something = schema.is_some() || term != Term::All(Vec::new());
        (whole && says_something).then_some(Self { schema, term })
    }

    /// The only namespace that is searched, if there is one.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.schema.as_ref().map(|(namespace, _)| namespace.as_str())
    }

    /// Whether a metric is found.
    pub(crate) fn fits(
        &self,
        namespace: &str,
        name: &str,
        dimensions: &[(String, String)],
    ) -> bool {
        let of_schema = self.schema.as_ref().is_none_or(|(wanted, names)| {
            wanted == namespace
                && names.len() == dimensions.len()
                && dimensions.iter().all(|(name, _)| names.contains(name))
        });
        let mut parts = vec![("Namespace", namespace), ("MetricName", name)];
        parts.extend(dimensions.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        of_schema && self.term.fits(&parts)
    }
}

impl Term {
    fn fits(&self, parts: &[(&str, &str)]) -> bool {
        match self {
            Self::All(terms) => terms.iter().all(|term| term.fits(parts)),
            Self::Any(terms) => terms.iter().any(|term| term.fits(parts)),
            Self::Not(term) => !term.fits(parts),
            Self::Word(word) => {
                let word = word.to_lowercase();
                let has = |text: &str| text.to_lowercase().contains(&word);
                parts.iter().any(|(name, value)| has(name) || has(value))
            }
            Self::Exact(text) => parts.iter().any(|(name, value)| name == text || value == text),
            Self::Property(property, term) => parts
                .iter()
                .filter(|(name, _)| name == property)
                .any(|part| term.fits(&[("", part.1)])),
        }
    }
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let (mut tokens, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '=' => (Token::Equals, 1),
            '"' => {
                let end = rest[1..].find('"')?;
                (Token::Quoted(rest[1..=end].to_owned()), end + 2)
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || "()=\"".contains(c);
                let end = rest.find(ends).unwrap_or(rest.len());
                (Token::Word(rest[..end].to_owned()), end)
            }
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

/// Parentheses, negations and properties within each other. *Ours*: a reader's stack has an end.
const DEPTH_MAX: usize = 64;

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn next_is(&mut self, wanted: &Token) -> bool {
        let found = self.tokens.get(self.at) == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn any(&mut self) -> Option<Term> {
        let mut terms = vec![self.all()?];
        while self.next_is(&Token::Word("OR".to_owned())) {
            terms.push(self.all()?);
        }
        Some(if terms.len() == 1 { terms.remove(0) } else { Term::Any(terms) })
    }

    fn all(&mut self) -> Option<Term> {
        let mut terms = Vec::new();
        loop {
            self.next_is(&Token::Word("AND".to_owned()));
            match self.tokens.get(self.at) {
                None | Some(Token::Close) => break,
                Some(Token::Word(word)) if word == "OR" => break,
                Some(_) => terms.push(self.one()?),
            }
        }
        Some(Term::All(terms))
    }

    fn one(&mut self) -> Option<Term> {
        self.depth += 1;
        let term = if self.depth > DEPTH_MAX { None } else { self.nested() };
        self.depth -= 1;
        term
    }

    fn nested(&mut self) -> Option<Term> {
        let token = self.tokens.get(self.at)?.clone();
        self.at += 1;
        match token {
            Token::Open => {
                let term = self.any()?;
                self.next_is(&Token::Close).then_some(term)
            }
            Token::Word(word) if word == "NOT" => Some(Term::Not(Box::new(self.one()?))),
            Token::Word(name) | Token::Quoted(name) if self.next_is(&Token::Equals) => {
                Some(Term::Property(name, Box::new(self.one()?)))
            }
            Token::Word(word) => Some(Term::Word(word)),
            Token::Quoted(text) => Some(Term::Exact(text)),
            Token::Close | Token::Equals => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(search: &str, name: &str, dimensions: &[(&str, &str)]) -> bool {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let dimensions: Vec<_> = dimensions.iter().map(own).collect();
        Search::parse(search).unwrap().fits("AWS/Lambda", name, &dimensions)
    }

    #[test]
    fn a_schema_names_all_dimensions() {
        let hello: &[(&str, &str)] = &[("FunctionName", "hello")];
        assert!(fits("{AWS/Lambda,FunctionName} MetricName=\"Errors\"", "Errors", hello));
        assert!(!fits("{AWS/Lambda,FunctionName} MetricName=\"Errors\"", "Duration", hello));
        assert!(!fits("{AWS/Lambda,FunctionName,Resource}", "Errors", hello));
        assert!(!fits("{AWS/SQS,FunctionName}", "Errors", hello));
    }

    #[test]
    fn words_combine() {
        let hello: &[(&str, &str)] = &[("FunctionName", "hello-prod")];
        assert!(fits("err prod", "Errors", hello));
        assert!(fits("nope OR PROD", "Errors", hello));
        assert!(fits("Errors NOT test", "Errors", hello));
        assert!(!fits("Errors NOT (test OR prod)", "Errors", hello));
        assert!(!fits("\"hello\"", "Errors", hello));
        assert!(fits("FunctionName=(hello OR x) MetricName=\"Errors\"", "Errors", hello));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let deep = ["(".repeat(100_000), "NOT ".repeat(100_000), "a=".repeat(100_000)];
        let deep = deep.iter().map(String::as_str);
        for search in ["", "{", "{}", "(a", "a)", "a=", "\"a"].into_iter().chain(deep) {
            assert_eq!(Search::parse(search), None, "{search}");
        }
    }
}
