//! Reads expressions.

use super::MathError;
use super::expression::{Expression, Operator};

/// Parentheses and calls within each other.
const DEPTH_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(f64),
    Text(String),
    Name(String),
    Operator(Operator),
    Open,
    Close,
    OpenList,
    CloseList,
    Comma,
}

/// Signs, longest first.
const SIGNS: [(&str, Token); 18] = [
    ("==", Token::Operator(Operator::Equal)),
    ("!=", Token::Operator(Operator::NotEqual)),
    ("<=", Token::Operator(Operator::LessOrEqual)),
    (">=", Token::Operator(Operator::GreaterOrEqual)),
    ("&&", Token::Operator(Operator::And)),
    ("||", Token::Operator(Operator::Or)),
    ("<", Token::Operator(Operator::Less)),
    (">", Token::Operator(Operator::Greater)),
    ("+", Token::Operator(Operator::Add)),
    ("-", Token::Operator(Operator::Subtract)),
    ("*", Token::Operator(Operator::Multiply)),
    ("/", Token::Operator(Operator::Divide)),
    ("^", Token::Operator(Operator::Power)),
    ("(", Token::Open),
    (")", Token::Close),
    ("[", Token::OpenList),
    ("]", Token::CloseList),
    (",", Token::Comma),
];

/// Reads a whole expression.
pub(crate) fn parse(text: &str) -> Result<Expression, MathError> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let expression = parser.binary(0)?;
    if parser.at < parser.tokens.len() {
        return Err(MathError::Syntax);
    }
    Ok(expression)
}

fn tokens(text: &str) -> Result<Vec<Token>, MathError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '\'' | '"' => {
                let end = rest[1..].find(first).ok_or(MathError::Syntax)?;
                (Token::Text(rest[1..=end].to_owned()), end + 2)
            }
            '0'..='9' | '.' => number(rest)?,
            'a'..='z' | 'A'..='Z' | '_' => {
                let ends = |c: char| !c.is_ascii_alphanumeric() && c != '_';
                let end = rest.find(ends).unwrap_or(rest.len());
                (word(&rest[..end]), end)
            }
            _ => {
                let sign = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign));
                let (sign, token) = sign.ok_or(MathError::Syntax)?;
                (token.clone(), sign.len())
            }
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

fn word(text: &str) -> Token {
    match text {
        "AND" => Token::Operator(Operator::And),
        "OR" => Token::Operator(Operator::Or),
        _ => Token::Name(text.to_owned()),
    }
}

fn number(text: &str) -> Result<(Token, usize), MathError> {
    let bytes = text.as_bytes();
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    let value = text[..end].parse().map_err(|_| MathError::Syntax)?;
    Ok((Token::Number(value), end))
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn take_if(&mut self, wanted: &Token) -> bool {
        let found = self.tokens.get(self.at) == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Operators that bind tighter than `strength`; all but `^` group to the left.
    fn binary(&mut self, strength: u8) -> Result<Expression, MathError> {
        let mut left = self.unary()?;
        while let Some(Token::Operator(operator)) = self.tokens.get(self.at).cloned() {
            if operator.strength() <= strength {
                break;
            }
            self.at += 1;
            let groups_right = u8::from(operator == Operator::Power);
            let right = self.binary(operator.strength() - groups_right)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, MathError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(MathError::Syntax);
        }
        let expression = if self.take_if(&Token::Operator(Operator::Subtract)) {
            let strength = Operator::Multiply.strength();
            Expression::Negate(Box::new(self.binary(strength)?))
        } else {
            self.primary()?
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn primary(&mut self) -> Result<Expression, MathError> {
        match self.take() {
            Some(Token::Number(value)) => Ok(Expression::Number(value)),
            Some(Token::Text(text)) => Ok(Expression::Text(text)),
            Some(Token::Open) => {
                let inner = self.binary(0)?;
                if self.take_if(&Token::Close) { Ok(inner) } else { Err(MathError::Syntax) }
            }
            Some(Token::OpenList) => self.items(&Token::CloseList).map(Expression::List),
            Some(Token::Name(name)) if self.take_if(&Token::Open) => {
                let arguments = self.items(&Token::Close)?;
                Ok(Expression::Call(name.to_ascii_uppercase(), arguments))
            }
            Some(Token::Name(name)) => Ok(Expression::Name(name)),
            _ => Err(MathError::Syntax),
        }
    }

    fn items(&mut self, close: &Token) -> Result<Vec<Expression>, MathError> {
        let mut items = Vec::new();
        if self.take_if(close) {
            return Ok(items);
        }
        loop {
            items.push(self.binary(0)?);
            if self.take_if(close) {
                return Ok(items);
            }
            if !self.take_if(&Token::Comma) {
                return Err(MathError::Syntax);
            }
        }
    }
}
