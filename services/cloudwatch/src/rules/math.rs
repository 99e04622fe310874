//! Metric math: expressions over time series.
//!
//! AWS docs: *Amazon CloudWatch User Guide > Using math expressions with CloudWatch metrics*.
//! Functions that need a model or another service (`ANOMALY_DETECTION_BAND`, `LAMBDA`,
//! `SERVICE_QUOTA`, `INSIGHT_RULE_METRIC`, `DB_PERF_INSIGHTS`) are refused by name.

mod expression;
mod functions;
mod operators;
mod parser;
mod series;

#[cfg(test)]
mod tests;

pub(crate) use expression::Expression;
pub(crate) use functions::evaluate;
pub(crate) use series::{Series, Value};

/// Why an expression has no value; the words behind `Error in expression 'e1': `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MathError {
    /// Not an expression.
    #[error("Invalid syntax")]
    Syntax,
    /// An id that no query has.
    #[error("Undefined variable {0}")]
    Undefined(String),
    /// Expressions that need each other.
    #[error("Expressions must not refer to each other in a circle, as {0} does")]
    Circular(String),
    /// Not a function, or one that haar does not offer.
    #[error("Unsupported function {0}")]
    Function(String),
    /// A function got what it does not take.
    #[error("Invalid arguments for function {0}")]
    Arguments(String),
    /// Lists of series of different lengths, or of a kind that an operator does not take.
    #[error("Unsupported operand type(s) for {0}")]
    Operands(String),
}

/// What an expression may ask of its request.
pub(crate) trait Scope {
    /// The value of another query of the request.
    fn variable(&mut self, id: &str) -> Result<Value, MathError>;
    /// The ids of the request's queries on metrics, in their order.
    fn metric_ids(&self) -> Vec<String>;
    /// `SEARCH('…', 'Sum', 300)`: what is found, with each metric's label.
    fn search(&mut self, terms: &str, stat: &str, period_s: u32) -> Result<Vec<Series>, MathError>;
    /// First and last point in time (seconds, the last exclusive) that the request covers.
    fn range(&self) -> (i64, i64);
    /// Period, in seconds, of series that an expression makes from nothing.
    fn period_s(&self) -> u32;
}
