//! Reads what `rmp_serde` writes: rows and records on disk, messages to the helper.
//!
//! `rmp_serde` itself reads any value into any type, and so brings code for every kind of value
//! into the reader of each of a thousand types. This reader looks for what the type asks for, with
//! code that all types share, and takes some megabytes less.
//!
//! **Invariant:** what `rmp_serde` has written, this reads as `rmp_serde` would. **Invariant:** it
//! takes structures in one form: [`read_named`] what `to_vec_named` wrote, [`read`] what `to_vec`
//! did.
//!
//! Begin with `reader.rs`.

mod head;
mod parts;
mod reader;

use serde::de::DeserializeOwned;

use reader::{Form, Named, Reader, Unnamed};

/// Why bytes are no value of the type that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub(crate) Box<str>);

impl Error {
    pub(crate) fn new(what: &str) -> Self {
        Self(what.into())
    }
}

impl serde::de::Error for Error {
    fn custom<T: std::fmt::Display>(what: T) -> Self {
        Self(what.to_string().into())
    }
}

/// Reads a value whose structures are maps from their members' names, and nothing after it.
///
/// # Errors
/// Bytes that are no such value.
pub fn read_named<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    whole::<T, Named>(bytes)
}

/// Reads a value whose structures are lists of their members, and nothing after it.
///
/// # Errors
/// Bytes that are no such value.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    whole::<T, Unnamed>(bytes)
}

fn whole<T: DeserializeOwned, F: Form>(bytes: &[u8]) -> Result<T, Error> {
    let mut reader = Reader::<F>::new(bytes);
    let value = T::deserialize(&mut reader)?;
    reader.head.end()?;
    Ok(value)
}
