//! Expressions: read into trees, evaluated and applied. AWS docs: *Developer Guide > Using
//! expressions in DynamoDB*.
//!
//! Begin reading at [`ast`], then [`condition`] and [`update`]; [`evaluate`] and [`apply`] are
//! what the trees mean. Legacy parameters come to the same trees.

pub(crate) mod apply;
pub(crate) mod ast;
mod condition;
pub(crate) mod evaluate;
mod lexer;
mod operand_types;
pub(crate) mod overlap;
mod parser;
pub(crate) mod path;
pub(crate) mod placeholders;
mod projection;
mod reserved;
mod update;

pub(crate) use condition::condition;
pub(crate) use placeholders::Placeholders;
pub(crate) use projection::{Projection, projection};
pub(crate) use update::update;

#[cfg(test)]
mod tests;
