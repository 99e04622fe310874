//! What lies in a value: the items of a list, the entries of a map, what a variant holds.

use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use crate::Error;
use crate::reader::{Form, Reader};

/// Items of a list, or entries of a map, of which so many are left.
pub(crate) struct Parts<'a, 'de, F> {
    pub(crate) reader: &'a mut Reader<'de, F>,
    pub(crate) left: u32,
}

impl<F> Parts<'_, '_, F> {
    fn take(&mut self) -> bool {
        let is_there = self.left > 0;
        self.left -= u32::from(is_there);
        is_there
    }
}

impl<'de, F: Form> SeqAccess<'de> for Parts<'_, 'de, F> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        if self.take() { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left as usize)
    }
}

impl<'de, F: Form> MapAccess<'de> for Parts<'_, 'de, F> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        if self.take() { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left as usize)
    }
}

/// A variant, by its name alone or in a map from its name to what it holds.
pub(crate) struct Variant<'a, 'de, F> {
    pub(crate) reader: &'a mut Reader<'de, F>,
    pub(crate) is_alone: bool,
}

impl<'de, F: Form> EnumAccess<'de> for Variant<'_, 'de, F> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let name = seed.deserialize(&mut *self.reader)?;
        Ok((name, self))
    }
}

impl<F> Variant<'_, '_, F> {
    fn must_hold(&self, something: bool) -> Result<(), Error> {
        match self.is_alone == something {
            true => Err(Error::new("a variant of another kind")),
            false => Ok(()),
        }
    }
}

impl<'de, F: Form> VariantAccess<'de> for Variant<'_, 'de, F> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        self.must_hold(false)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        self.must_hold(true)?;
        seed.deserialize(self.reader)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.must_hold(true)?;
        self.reader.list(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.must_hold(true)?;
        F::structure(self.reader, visitor)
    }
}
