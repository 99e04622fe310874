//! The tree of an expression.

use super::{MathError, parser};

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    Number(f64),
    /// `'text'` or `"text"`.
    Text(String),
    /// The id of a query, or a word such as `LINEAR`.
    Name(String),
    /// `[e1, e2]`.
    List(Vec<Self>),
    Negate(Box<Self>),
    Binary(Operator, Box<Self>, Box<Self>),
    /// `RATE(m1)`; the name in upper case.
    Call(String, Vec<Self>),
}

/// Operators, from the weakest to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    LessOrEqual,
    GreaterOrEqual,
    Less,
    Greater,
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

impl Operator {
    /// Binds the tighter the greater.
    pub(crate) fn strength(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Equal | Self::NotEqual => 3,
            Self::LessOrEqual | Self::GreaterOrEqual | Self::Less | Self::Greater => 3,
            Self::Add | Self::Subtract => 4,
            Self::Multiply | Self::Divide => 5,
            Self::Power => 6,
        }
    }

    /// Its sign.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::LessOrEqual => "<=",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::Greater => ">",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Power => "^",
        }
    }

    /// What it makes of two numbers; truth is 1.
    pub(crate) fn apply(self, left: f64, right: f64) -> f64 {
        let truth = |holds: bool| f64::from(u8::from(holds));
        match self {
            Self::Or => truth(left != 0.0 || right != 0.0),
            Self::And => truth(left != 0.0 && right != 0.0),
            Self::Equal => truth(left == right),
            Self::NotEqual => truth(left != right),
            Self::LessOrEqual => truth(left <= right),
            Self::GreaterOrEqual => truth(left >= right),
            Self::Less => truth(left < right),
            Self::Greater => truth(left > right),
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Power => left.powf(right),
        }
    }
}

impl Expression {
    /// Reads an expression as a customer writes it.
    pub(crate) fn parse(text: &str) -> Result<Self, MathError> {
        parser::parse(text)
    }
}
