//! How codecs see a value: they look at it ([`View`]) and fill it in ([`Value::set`] and kin).

use std::collections::BTreeMap;

use bytes::Bytes;
use haar_types::Timestamp;

use crate::{Body, EventFrames, Shape};

/// A JSON document.
pub type Json = serde_json::Value;

/// What a value is, for an encoder.
#[derive(Clone, Copy)]
pub enum View<'a> {
    /// Not set.
    Absent,
    /// A boolean.
    Boolean(bool),
    /// An integer of either width.
    Integer(i64),
    /// A number with a fraction.
    Double(f64),
    /// Text, or an enum's.
    Text(&'a str),
    /// Bytes.
    Blob(&'a Bytes),
    /// A point in time.
    Timestamp(Timestamp),
    /// A document.
    Document(&'a Json),
    /// A list.
    List(&'a dyn List),
    /// A map.
    Map(&'a dyn Map),
    /// A structure.
    Structure(&'a dyn Shape),
    /// A body or an event stream; taken by [`Value::take_body`] or [`Value::take_events`].
    Stream,
}

/// What a decoder found, for [`Value::set`].
#[derive(Clone, Debug)]
pub enum Scalar {
    /// A boolean.
    Boolean(bool),
    /// An integer of either width.
    Integer(i64),
    /// A number with a fraction.
    Double(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Bytes),
    /// A point in time.
    Timestamp(Timestamp),
    /// A document.
    Document(Json),
}

/// A scalar that the value cannot take: of another type, out of range, or not in the enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// Anything that a member of a shape may be.
pub trait Value: Send + Sync + 'static {
    /// Looks at it.
    fn view(&self) -> View<'_>;

    /// Sets a scalar.
    fn set(&mut self, scalar: Scalar) -> Result<(), Refused> {
        let _ = scalar;
        Err(Refused)
    }

    /// Takes back what was read into it: another value comes in its place. What is set as a whole
    /// needs no such thing.
    fn reset(&mut self) {}

    /// Makes an optional value present, at its default.
    fn touch(&mut self) {}

    /// Appends a default item to a list and hands it out.
    fn push(&mut self) -> Option<&mut dyn Value> {
        None
    }

    /// Takes the last item of a list away.
    fn pop(&mut self) {}

    /// Adds a default entry to a map and hands its value out.
    fn insert(&mut self, key: String) -> Option<&mut dyn Value> {
        let _ = key;
        None
    }

    /// Makes a structure present and hands it out.
    fn structure(&mut self) -> Option<&mut dyn Shape> {
        None
    }

    /// Gives a streaming member its bytes.
    fn set_body(&mut self, body: Body) -> Result<(), Body> {
        Err(body)
    }

    /// Takes a streaming member's bytes.
    fn take_body(&mut self) -> Option<Body> {
        None
    }

    /// Takes an event stream.
    fn take_events(&mut self) -> Option<EventFrames> {
        None
    }
}

/// A list, for an encoder.
pub trait List {
    /// How many items.
    fn len(&self) -> usize;
    /// True when there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The item at a position below [`Self::len`].
    fn item(&self, index: usize) -> &dyn Value;
}

/// A map, for an encoder.
pub trait Map {
    /// How many entries.
    fn len(&self) -> usize;
    /// True when there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Shows each entry, by key in order.
    fn each(&self, visit: &mut dyn FnMut(&str, &dyn Value));
}

impl Value for bool {
    fn view(&self) -> View<'_> {
        View::Boolean(*self)
    }

    fn set(&mut self, scalar: Scalar) -> Result<(), Refused> {
        let Scalar::Boolean(value) = scalar else { return Err(Refused) };
        *self = value;
        Ok(())
    }
}

impl Value for i32 {
    fn view(&self) -> View<'_> {
        View::Integer(i64::from(*self))
    }

    fn set(&mut self, scalar: Scalar) -> Result<(), Refused> {
        let Scalar::Integer(value) = scalar else { return Err(Refused) };
        *self = Self::try_from(value).map_err(|_| Refused)?;
        Ok(())
    }
}

impl Value for i64 {
    fn view(&self) -> View<'_> {
        View::Integer(*self)
    }

    fn set(&mut self, scalar: Scalar) -> Result<(), Refused> {
        let Scalar::Integer(value) = scalar else { return Err(Refused) };
        *self = value;
        Ok(())
    }
}

impl Value for f64 {
    fn view(&self) -> View<'_> {
        View::Double(*self)
    }

    fn set(&mut self, scalar: Scalar) -> Result<(), Refused> {
        *self = match scalar {
            Scalar::Double(value) => value,
            Scalar::Integer(value) => value as Self,
            _ => return Err(Refused),
        };
        Ok(())
    }
}

impl Value for String {
    fn view(&self) -> View<'_> {
        View::Text(self)
    }

    fn set(&mut self, scalar: Scalar) -> Result<(), Refused> {
        let Scalar::Text(value) = scalar else { return Err(Refused) };
        *self = value;
        Ok(())
    }
}

impl Value for Bytes {
    fn view(&self) -> View<'_> {
        View::Blob(self)
    }

    fn set(&mut self, scalar: Scalar) -> Result<(), Refused> {
        let Scalar::Blob(value) = scalar else { return Err(Refused) };
        *self = value;
        Ok(())
    }
}

impl Value for Timestamp {
    fn view(&self) -> View<'_> {
        View::Timestamp(*self)
    }

    fn set(&mut self, scalar: Scalar) -> Result<(), Refused> {
        let Scalar::Timestamp(value) = scalar else { return Err(Refused) };
        *self = value;
        Ok(())
    }
}

impl Value for Json {
    fn view(&self) -> View<'_> {
        View::Document(self)
    }

    fn set(&mut self, scalar: Scalar) -> Result<(), Refused> {
        let Scalar::Document(value) = scalar else { return Err(Refused) };
        *self = value;
        Ok(())
    }
}

impl<T: Value + Default> Value for Option<T> {
    fn view(&self) -> View<'_> {
        self.as_ref().map_or(View::Absent, T::view)
    }

    fn set(&mut self, scalar: Scalar) -> Result<(), Refused> {
        let mut value = T::default();
        value.set(scalar)?;
        *self = Some(value);
        Ok(())
    }

    fn reset(&mut self) {
        *self = None;
    }

    fn touch(&mut self) {
        self.get_or_insert_default();
    }

    fn push(&mut self) -> Option<&mut dyn Value> {
        self.get_or_insert_default().push()
    }

    fn pop(&mut self) {
        if let Some(list) = self {
            list.pop();
        }
    }

    fn insert(&mut self, key: String) -> Option<&mut dyn Value> {
        self.get_or_insert_default().insert(key)
    }

    fn structure(&mut self) -> Option<&mut dyn Shape> {
        self.get_or_insert_default().structure()
    }

    fn set_body(&mut self, body: Body) -> Result<(), Body> {
        self.get_or_insert_default().set_body(body)
    }

    fn take_body(&mut self) -> Option<Body> {
        self.as_mut()?.take_body()
    }

    fn take_events(&mut self) -> Option<EventFrames> {
        self.as_mut()?.take_events()
    }
}

impl<T: Value + Default> Value for Box<T> {
    fn view(&self) -> View<'_> {
        (**self).view()
    }

    fn set(&mut self, scalar: Scalar) -> Result<(), Refused> {
        (**self).set(scalar)
    }

    fn reset(&mut self) {
        **self = T::default();
    }

    fn push(&mut self) -> Option<&mut dyn Value> {
        (**self).push()
    }

    fn pop(&mut self) {
        (**self).pop();
    }

    fn insert(&mut self, key: String) -> Option<&mut dyn Value> {
        (**self).insert(key)
    }

    fn structure(&mut self) -> Option<&mut dyn Shape> {
        (**self).structure()
    }
}

impl<T: Value + Default> Value for Vec<T> {
    fn view(&self) -> View<'_> {
        View::List(self)
    }

    fn reset(&mut self) {
        self.clear();
    }

    fn push(&mut self) -> Option<&mut dyn Value> {
        self.push(T::default());
        self.last_mut().map(|item| item as &mut dyn Value)
    }

    fn pop(&mut self) {
        self.truncate(self.len().saturating_sub(1));
    }
}

impl<T: Value> List for Vec<T> {
    fn len(&self) -> usize {
        self.len()
    }

    fn item(&self, index: usize) -> &dyn Value {
        &self[index]
    }
}

impl<T: Value + Default> Value for BTreeMap<String, T> {
    fn view(&self) -> View<'_> {
        View::Map(self)
    }

    fn reset(&mut self) {
        self.clear();
    }

    fn insert(&mut self, key: String) -> Option<&mut dyn Value> {
        let value = self.entry(key).or_default();
        *value = T::default();
        Some(value)
    }
}

impl<T: Value> Map for BTreeMap<String, T> {
    fn len(&self) -> usize {
        self.len()
    }

    fn each(&self, visit: &mut dyn FnMut(&str, &dyn Value)) {
        for (key, value) in self {
            visit(key, value);
        }
    }
}
