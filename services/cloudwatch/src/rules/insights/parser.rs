//! Reads queries. Keywords come in any case, names as they are.

use super::{Condition, Function, Insight, Order, SERIES_COUNT_MAX};

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A keyword, a name or a number.
    Word(String),
    /// `"name"`: a name, whatever it holds.
    Name(String),
    /// `'value'`.
    Text(String),
    Sign(&'static str),
}

const SIGNS: [&str; 5] = ["!=", "=", "(", ")", ","];

/// Reads a whole query.
pub(super) fn parse(text: &str) -> Option<Insight> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    let insight = parser.query()?;
    (parser.at == parser.tokens.len()).then_some(insight)
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let (mut tokens, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let quoted = |make: fn(String) -> Token| {
            let end = rest[1..].find(first)?;
            Some((make(rest[1..=end].to_owned()), end + 2))
        };
        let (token, length) = match first {
            '"' => quoted(Token::Name)?,
            '\'' => quoted(Token::Text)?,
            _ if first.is_ascii_alphanumeric() || first == '_' => {
                let ends = |c: char| !c.is_ascii_alphanumeric() && c != '_';
                let end = rest.find(ends).unwrap_or(rest.len());
                (Token::Word(rest[..end].to_owned()), end)
            }
            _ => {
                let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign))?;
                (Token::Sign(sign), sign.len())
            }
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn query(&mut self) -> Option<Insight> {
        self.word("SELECT")?;
        let function = self.function()?;
        let metric = self.inside(Self::name)?;
        self.word("FROM")?;
        let (namespace, schema) = self.source()?;
        let conditions = match self.word("WHERE") {
            Some(()) => self.list(Self::condition, |parser| parser.word("AND"))?,
            None => Vec::new(),
        };
        let group_by = match self.words("GROUP", "BY") {
            Some(()) => self.names()?,
            None => Vec::new(),
        };
        let order_by = match self.words("ORDER", "BY") {
            Some(()) => Some(self.order()?),
            None => None,
        };
        let limit = match self.word("LIMIT") {
            Some(()) => self.limit()?,
            None => SERIES_COUNT_MAX,
        };
        Some(Insight { function, metric, namespace, schema, conditions, group_by, order_by, limit })
    }

    /// A namespace, or `SCHEMA(namespace, dimension, …)`.
    fn source(&mut self) -> Option<(String, Option<Vec<String>>)> {
        let is_call = self.tokens.get(self.at + 1) == Some(&Token::Sign("("));
        if is_call && self.word("SCHEMA").is_some() {
            let mut names = self.inside(Self::names)?;
            let namespace = names.remove(0);
            return Some((namespace, Some(names)));
        }
        Some((self.name()?, None))
    }

    fn condition(&mut self) -> Option<Condition> {
        let dimension = self.name()?;
        let is_equal = self.sign("=").is_some();
        if !is_equal {
            self.sign("!=")?;
        }
        match self.take()? {
            Token::Text(value) => Some(Condition { dimension, is_equal, value }),
            _ => None,
        }
    }

    fn order(&mut self) -> Option<Order> {
        let function = self.function()?;
        self.inside(|_| Some(()))?;
        let is_descending = self.word("DESC").is_some();
        if !is_descending {
            self.word("ASC");
        }
        Some(Order { function, is_descending })
    }

    fn limit(&mut self) -> Option<usize> {
        match self.take()? {
            Token::Word(number) => {
                number.parse().ok().filter(|limit| (1..=SERIES_COUNT_MAX).contains(limit))
            }
            _ => None,
        }
    }

    fn function(&mut self) -> Option<Function> {
        let Token::Word(name) = self.take()? else { return None };
        match name.to_ascii_uppercase().as_str() {
            "AVG" => Some(Function::Avg),
            "COUNT" => Some(Function::Count),
            "MAX" => Some(Function::Max),
            "MIN" => Some(Function::Min),
            "SUM" => Some(Function::Sum),
            _ => None,
        }
    }

    fn names(&mut self) -> Option<Vec<String>> {
        self.list(Self::name, |parser| parser.sign(","))
    }

    fn name(&mut self) -> Option<String> {
        match self.take()? {
            Token::Word(name) | Token::Name(name) => Some(name),
            Token::Text(_) | Token::Sign(_) => None,
        }
    }

    /// One item at least, more behind each separator.
    fn list<T>(
        &mut self,
        item: impl Fn(&mut Self) -> Option<T>,
        separator: impl Fn(&mut Self) -> Option<()>,
    ) -> Option<Vec<T>> {
        let mut items = vec![item(self)?];
        while separator(self).is_some() {
            items.push(item(self)?);
        }
        Some(items)
    }

    fn inside<T>(&mut self, content: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.sign("(")?;
        let found = content(self)?;
        self.sign(")")?;
        Some(found)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn words(&mut self, first: &str, second: &str) -> Option<()> {
        self.word(first)?;
        self.word(second)
    }

    /// Takes the next token if it is this keyword.
    fn word(&mut self, keyword: &str) -> Option<()> {
        let is_next = matches!(
            self.tokens.get(self.at),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword)
        );
        self.at += usize::from(is_next);
        is_next.then_some(())
    }

    fn sign(&mut self, sign: &'static str) -> Option<()> {
        let is_next = self.tokens.get(self.at) == Some(&Token::Sign(sign));
        self.at += usize::from(is_next);
        is_next.then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        for query in [
            "SELECT",
            "SELECT SUM(x)",
            "SELECT MEDIAN(x) FROM ns",
            "SELECT SUM(x) FROM AWS/EC2",
            "SELECT SUM(x) FROM ns WHERE a = 1",
            "SELECT SUM(x) FROM ns WHERE a = '1' OR b = '2'",
            "SELECT SUM(x) FROM ns GROUP BY",
            "SELECT SUM(x) FROM ns LIMIT 501",
            "SELECT SUM(x) FROM ns LIMIT 0",
            "SELECT SUM(x) FROM ns ORDER BY SUM",
            "SELECT SUM(x) FROM SCHEMA()",
            "SELECT SUM(x) FROM \"ns",
            "SELECT SUM(x) FROM ns; SELECT",
        ] {
            assert_eq!(parse(query), None, "{query}");
        }
        let schema = parse("SELECT SUM(x) FROM SCHEMA LIMIT 5").unwrap();
        assert_eq!((schema.namespace.as_str(), schema.limit), ("SCHEMA", 5));
    }
}
