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
mod named;
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

/// The top-level attributes and `#names` that a text names, as far as its tokens tell: neither
/// keywords nor functions, nor what comes behind a dot.
pub(crate) fn named(text: &str) -> impl Iterator<Item = &str> {
    let tokens = lexer::tokens(text);
    let names: Vec<&str> = (0..tokens.len())
        .filter(|at| {
            let before = at.checked_sub(1).map_or("", |at| tokens[at].text);
            let behind = tokens.get(at + 1).map_or("", |token| token.text);
            match tokens[*at].kind {
                lexer::Kind::Name => before != ".",
                lexer::Kind::Word => {
                    before != "." && behind != "(" && !reserved::is_reserved(tokens[*at].text)
                }
                _ => false,
            }
        })
        .map(|at| tokens[at].text)
        .collect();
    names.into_iter()
}

#[cfg(test)]
mod tests;
