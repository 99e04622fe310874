//! Shapes: the generated structures and enums, and the macros that wire them to their tables.

use std::any::Any;
use std::fmt;

use crate::schema::{Member, Schema};
use crate::value::{Value, View};

/// A structure of a model. Object-safe: codecs see only this and the tables.
pub trait Shape: Any + fmt::Debug + Send + Sync {
    /// Its table.
    fn schema(&self) -> &'static Schema;
    /// The member at a position of its table.
    fn member(&self, index: usize) -> &dyn Value;
    /// The same, to be filled in.
    fn member_mut(&mut self, index: usize) -> &mut dyn Value;
    /// Whose items come next where XML has several flattened lists in one row: names of members in
    /// the model, each as often as its list has items. Empty: one list behind the other.
    fn row(&self) -> &[&'static str] {
        &[]
    }
}

/// Each set member of a shape with its table row and its position.
pub(crate) fn set_members(
    shape: &dyn Shape,
) -> impl Iterator<Item = (usize, &'static Member, View<'_>)> {
    shape.schema().members().iter().enumerate().filter_map(move |(index, member)| {
        match shape.member(index).view() {
            View::Absent => None,
            view => Some((index, member, view)),
        }
    })
}

/// A top-level member as text, by its name in the model: `FunctionName`, `tags`, `Limit`.
///
/// Numbers and booleans come as they are written; lists, structures and absent members as `None`.
pub fn text_member(shape: &dyn Shape, name: &str) -> Option<String> {
    text_of(view_of(shape, name))
}

/// The text of a top-level member, or those of its items where it is a list.
pub fn text_members(shape: &dyn Shape, name: &str) -> Vec<String> {
    match view_of(shape, name) {
        View::List(list) => {
            (0..list.len()).filter_map(|index| text_of(list.item(index).view())).collect()
        }
        one => text_of(one).into_iter().collect(),
    }
}

fn view_of<'a>(shape: &'a dyn Shape, name: &str) -> View<'a> {
    let index = shape.schema().members().iter().position(|member| member.name == name);
    index.map_or(View::Absent, |index| shape.member(index).view())
}

fn text_of(view: View<'_>) -> Option<String> {
    match view {
        View::Text(text) => Some(text.to_owned()),
        View::Integer(number) => Some(number.to_string()),
        View::Double(number) => Some(number.to_string()),
        View::Boolean(flag) => Some(flag.to_string()),
        View::Timestamp(at) => Some(at.iso()),
        _ => None,
    }
}

/// A list of structures, by its name on the wire; none where it is absent or no such list.
pub fn structures<'a>(shape: &'a dyn Shape, wire: &str) -> Vec<&'a dyn Shape> {
    let found = set_members(shape).find(|(_, member, _)| member.wire == wire);
    let Some((_, _, View::List(list))) = found else { return Vec::new() };
    let items = (0..list.len()).map(|index| list.item(index).view());
    let shapes = items.filter_map(|item| match item {
        View::Structure(shape) => Some(shape),
        _ => None,
    });
    shapes.collect()
}

/// Whether two shapes of one type say the same.
pub fn same(one: &dyn Shape, other: &dyn Shape) -> bool {
    std::ptr::eq(one.schema(), other.schema()) && crate::to_json(one) == crate::to_json(other)
}

/// Why JSON is not the shape that was asked for, in AWS's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeError(pub String);

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ShapeError {}

/// Writes a shape for people: set members only, sensitive ones as `***`.
pub fn debug(shape: &dyn Shape, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut out = f.debug_struct(shape.schema().name);
    for (_, member, view) in set_members(shape) {
        out.field(member.name, &Shown(view, member.schema));
    }
    out.finish()
}

struct Shown<'a>(View<'a>, &'static Schema);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::schema::Kind;
        if self.1.sensitive {
            return f.write_str("***");
        }
        match (self.0, self.1.kind) {
            (View::Absent, _) => f.write_str("-"),
            (View::Boolean(value), _) => value.fmt(f),
            (View::Integer(value), _) => value.fmt(f),
            (View::Double(value), _) => value.fmt(f),
            (View::Text(value), _) => value.fmt(f),
            (View::Blob(value), _) => write!(f, "{} bytes", value.len()),
            (View::Timestamp(value), _) => write!(f, "{value}"),
            (View::Document(value), _) => write!(f, "{value}"),
            (View::List(list), Kind::List(schema)) => {
                let shown = |index| Shown(list.item(index).view(), schema.item.schema);
                f.debug_list().entries((0..list.len()).map(shown)).finish()
            }
            (View::Map(map), Kind::Map(schema)) => {
                let mut out = f.debug_map();
                map.each(&mut |key, value| {
                    out.entry(&key, &Shown(value.view(), schema.value.schema));
                });
                out.finish()
            }
            (View::Structure(shape), _) => debug(shape, f),
            _ => f.write_str("a stream"),
        }
    }
}

/// Wires a structure to its table: `shape!(Type, TABLE, 0 first, 1 second)`.
///
/// Brings [`Shape`], [`Value`], `Debug` (sensitive members hidden), `PartialEq` and serde (as
/// JSON). `shape!(stream Type, …)` leaves out what a stream cannot have; `shape!(mixed Type, …)`
/// has lists in one row, whose order is its field `row`.
#[macro_export]
macro_rules! shape {
    (stream $name:ident, $table:path $(, $index:literal $field:ident)* $(,)?) => {
        $crate::shape!(@shape $name, $table, {} $(, $index $field)*);
    };
    (@shape $name:ident, $table:path, {$($row:item)?} $(, $index:literal $field:ident)*) => {
        impl $crate::Shape for $name {
            $($row)?
            fn schema(&self) -> &'static $crate::Schema {
                &$table
            }
            #[allow(unused_variables)]
            fn member(&self, index: usize) -> &dyn $crate::Value {
                match index {
                    $($index => &self.$field,)*
                    _ => unreachable!("positions come from the table"),
                }
            }
            #[allow(unused_variables)]
            fn member_mut(&mut self, index: usize) -> &mut dyn $crate::Value {
                match index {
                    $($index => &mut self.$field,)*
                    _ => unreachable!("positions come from the table"),
                }
            }
        }
        impl $crate::Value for $name {
            fn view(&self) -> $crate::View<'_> {
                $crate::View::Structure(self)
            }
            fn reset(&mut self) {
                *self = Self::default();
            }
            fn structure(&mut self) -> Option<&mut dyn $crate::Shape> {
                Some(self)
            }
        }
        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                $crate::debug(self, f)
            }
        }
    };
    (mixed $name:ident, $table:path $(, $index:literal $field:ident)* $(,)?) => {
        $crate::shape!(@shape $name, $table, {
            fn row(&self) -> &[&'static str] {
                &self.row
            }
        } $(, $index $field)*);
        $crate::shape!(@whole $name);
    };
    ($name:ident, $table:path $(, $index:literal $field:ident)* $(,)?) => {
        $crate::shape!(stream $name, $table $(, $index $field)*);
        $crate::shape!(@whole $name);
    };
    (@whole $name:ident) => {
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                $crate::same(self, other)
            }
        }
        impl $crate::serde::Serialize for $name {
            fn serialize<S: $crate::serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                $crate::serde::Serialize::serialize(&$crate::to_json(self), to)
            }
        }
        impl<'de> $crate::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let json = <$crate::Json as $crate::serde::Deserialize>::deserialize(from)?;
                $crate::restore(json).map_err($crate::serde::de::Error::custom)
            }
        }
    };
}

/// Makes a closed enum of texts: `text_enum!(Runtime { Nodejs20x = "nodejs20.x", … })`.
///
/// The first is the default; the order is the model's.
#[macro_export]
macro_rules! text_enum {
    ($name:ident { $first:ident = $first_text:literal $(, $variant:ident = $text:literal)* $(,)? }) => {
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            #[default]
            $first,
            $($variant,)*
        }
        impl $name {
            /// All values, in the model's order.
            pub const ALL: &'static [Self] = &[Self::$first $(, Self::$variant)*];
            /// Their texts, in the same order.
            pub const TEXTS: &'static [&'static str] = &[$first_text $(, $text)*];
            /// The text on the wire.
            pub fn as_str(self) -> &'static str {
                Self::TEXTS[self as usize]
            }
        }
        $crate::text_enum!(@impls $name);
    };
    (@impls $name:ident) => {
        impl ::std::str::FromStr for $name {
            type Err = $crate::Refused;
            fn from_str(text: &str) -> Result<Self, $crate::Refused> {
                let at = Self::TEXTS.iter().position(|known| *known == text);
                at.map(|at| Self::ALL[at]).ok_or($crate::Refused)
            }
        }
        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl $crate::Value for $name {
            fn view(&self) -> $crate::View<'_> {
                $crate::View::Text(self.as_str())
            }
            fn set(&mut self, scalar: $crate::Scalar) -> Result<(), $crate::Refused> {
                let $crate::Scalar::Text(text) = scalar else { return Err($crate::Refused) };
                *self = text.parse()?;
                Ok(())
            }
        }
        impl $crate::serde::Serialize for $name {
            fn serialize<S: $crate::serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }
        impl<'de> $crate::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <String as $crate::serde::Deserialize>::deserialize(from)?;
                text.parse().map_err(|_| $crate::serde::de::Error::custom("not a value of this enum"))
            }
        }
    };
}

/// Makes a shape an error: `error_shape!(ResourceNotFoundException, message)`.
///
/// Brings `Into<AwsError>`, `Display`, `Error` and, given the member that is the message,
/// the constructor `message(text)`.
#[macro_export]
macro_rules! error_shape {
    ($name:ident) => {
        impl From<$name> for $crate::AwsError {
            fn from(error: $name) -> Self {
                $crate::AwsError::from_shape(error)
            }
        }
        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Debug::fmt(self, f)
            }
        }
        impl ::std::error::Error for $name {}
    };
    ($name:ident, $message:ident) => {
        $crate::error_shape!($name);
        impl $name {
            /// This error with a message and nothing else.
            pub fn message(text: impl Into<String>) -> Self {
                let $message = text.into().into();
                Self { $message, ..Self::default() }
            }
        }
    };
}
