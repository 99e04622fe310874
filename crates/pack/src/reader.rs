//! The reader: for what a type asks, the one kind of value that it can be.

use std::marker::PhantomData;

use serde::de::{Deserializer, Visitor};

use crate::Error;
use crate::head::{Head, Heads};
use crate::parts::{Parts, Variant};

/// Reads one value after the other.
pub(crate) struct Reader<'de, F> {
    pub(crate) head: Heads<'de>,
    form: PhantomData<F>,
}

/// How structures were written.
pub(crate) trait Form: Sized {
    fn structure<'de, V: Visitor<'de>>(
        reader: &mut Reader<'de, Self>,
        visitor: V,
    ) -> Result<V::Value, Error>;
}

/// As maps from their members' names.
pub(crate) enum Named {}

/// As lists of their members.
pub(crate) enum Unnamed {}

impl Form for Named {
    fn structure<'de, V: Visitor<'de>>(
        reader: &mut Reader<'de, Self>,
        visitor: V,
    ) -> Result<V::Value, Error> {
        reader.map(visitor)
    }
}

impl Form for Unnamed {
    fn structure<'de, V: Visitor<'de>>(
        reader: &mut Reader<'de, Self>,
        visitor: V,
    ) -> Result<V::Value, Error> {
        reader.list(visitor)
    }
}

impl<'de, F> Reader<'de, F> {
    pub(crate) fn new(bytes: &'de [u8]) -> Self {
        Self { head: Heads::new(bytes), form: PhantomData }
    }
}

impl<'de, F: Form> Reader<'de, F> {
    pub(crate) fn list<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let count = self.head.list()?;
        let mut parts = Parts { reader: self, left: count };
        let value = visitor.visit_seq(&mut parts)?;
        let left = parts.left;
        self.head.leave_empty(left)?;
        Ok(value)
    }

    pub(crate) fn map<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let count = self.head.map()?;
        let mut parts = Parts { reader: self, left: count };
        let value = visitor.visit_map(&mut parts)?;
        let left = parts.left;
        self.head.leave_empty(left)?;
        Ok(value)
    }
}

impl<'de> Heads<'de> {
    /// Goes into a list.
    fn list(&mut self) -> Result<u32, Error> {
        let Head::List(count) = self.next()? else { return Err(Error::new("no list")) };
        self.enter().map(|()| count)
    }

    /// Goes into a map.
    fn map(&mut self) -> Result<u32, Error> {
        let Head::Map(count) = self.next()? else { return Err(Error::new("no map")) };
        self.enter().map(|()| count)
    }

    /// Leaves a list or map of which nothing may be left.
    fn leave_empty(&mut self, left: u32) -> Result<(), Error> {
        self.leave();
        if left == 0 { Ok(()) } else { Err(Error::new("more in it than there should be")) }
    }

    fn bool(&mut self) -> Result<bool, Error> {
        let Head::Bool(value) = self.next()? else {
            return Err(Error::new("neither true nor false"));
        };
        Ok(value)
    }

    fn unsigned(&mut self) -> Result<u64, Error> {
        let Head::Unsigned(value) = self.next()? else { return Err(Error::new("no such number")) };
        Ok(value)
    }

    fn signed(&mut self) -> Result<i64, Error> {
        match self.next()? {
            Head::Signed(value) => Ok(value),
            Head::Unsigned(value) => {
                i64::try_from(value).map_err(|_| Error::new("a number that is too large"))
            }
            _ => Err(Error::new("no such number")),
        }
    }

    fn float(&mut self) -> Result<f64, Error> {
        match self.next()? {
            Head::Float(value) => Ok(value),
            Head::Unsigned(value) => Ok(value as f64),
            Head::Signed(value) => Ok(value as f64),
            _ => Err(Error::new("no number")),
        }
    }

    /// A number of 128 bits, which is written as its bytes.
    fn wide(&mut self) -> Result<[u8; 16], Error> {
        let Head::Bytes(bytes) = self.next()? else { return Err(Error::new("no wide number")) };
        bytes.try_into().map_err(|_| Error::new("no wide number"))
    }

    fn text(&mut self) -> Result<&'de str, Error> {
        let Head::Text(text) = self.next()? else { return Err(Error::new("no text")) };
        Ok(text)
    }

    fn bytes(&mut self) -> Result<&'de [u8], Error> {
        let Head::Bytes(bytes) = self.next()? else { return Err(Error::new("no bytes")) };
        Ok(bytes)
    }

    fn unit(&mut self) -> Result<(), Error> {
        if self.nil() { Ok(()) } else { Err(Error::new("something where nothing should be")) }
    }

    /// Whether a variant is a name alone; else what follows is its name and what it holds.
    fn is_alone(&mut self) -> Result<bool, Error> {
        let before = self.here();
        match self.next()? {
            Head::Text(_) => {
                self.go_back(before);
                Ok(true)
            }
            Head::Map(1) => Ok(false),
            _ => Err(Error::new("no variant")),
        }
    }
}

/// Methods that ask for one kind: what they find is what the visitor is shown.
macro_rules! kinds {
    ($($method:ident: $take:ident => $visit:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.head.$take()?)
        })*
    };
}

impl<'de, F: Form> Deserializer<'de> for &mut Reader<'de, F> {
    type Error = Error;

    kinds! {
        deserialize_bool: bool => visit_bool;
        deserialize_i8: signed => visit_i64;
        deserialize_i16: signed => visit_i64;
        deserialize_i32: signed => visit_i64;
        deserialize_i64: signed => visit_i64;
        deserialize_u8: unsigned => visit_u64;
        deserialize_u16: unsigned => visit_u64;
        deserialize_u32: unsigned => visit_u64;
        deserialize_u64: unsigned => visit_u64;
        deserialize_f32: float => visit_f64;
        deserialize_f64: float => visit_f64;
        deserialize_char: text => visit_borrowed_str;
        deserialize_str: text => visit_borrowed_str;
        deserialize_string: text => visit_borrowed_str;
        deserialize_identifier: text => visit_borrowed_str;
        deserialize_bytes: bytes => visit_borrowed_bytes;
        deserialize_byte_buf: bytes => visit_borrowed_bytes;
    }

    /// For types that take what comes, such as JSON's values.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let before = self.head.here();
        match self.head.next()? {
            Head::Nil => visitor.visit_unit(),
            Head::Bool(value) => visitor.visit_bool(value),
            Head::Unsigned(value) => visitor.visit_u64(value),
            Head::Signed(value) => visitor.visit_i64(value),
            Head::Float(value) => visitor.visit_f64(value),
            Head::Text(text) => visitor.visit_borrowed_str(text),
            Head::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Head::List(_) => {
                self.head.go_back(before);
                self.list(visitor)
            }
            Head::Map(_) => {
                self.head.go_back(before);
                self.map(visitor)
            }
        }
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i128(i128::from_be_bytes(self.head.wide()?))
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u128(u128::from_be_bytes(self.head.wide()?))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.head.nil() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.head.unit()?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let count = self.head.list()?;
        self.head.leave_empty(count)?;
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.list(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.list(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.map(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        F::structure(self, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let is_alone = self.head.is_alone()?;
        self.head.enter()?;
        let value = visitor.visit_enum(Variant { reader: self, is_alone })?;
        self.head.leave();
        Ok(value)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.head.skip()?;
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}
