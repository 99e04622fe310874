//! Values as MessagePack has them, without any type.

use crate::Error;

/// How deep values may lie in each other.
const DEPTH_MAX: u16 = 512;

/// What a value begins with; of a list or a map, the number of what comes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Head<'de> {
    Nil,
    Bool(bool),
    Unsigned(u64),
    /// Below zero.
    Signed(i64),
    Float(f64),
    Text(&'de str),
    Bytes(&'de [u8]),
    List(u32),
    Map(u32),
}

/// Bytes that are read from their beginning.
pub(crate) struct Heads<'de> {
    rest: &'de [u8],
    depth: u16,
}

impl<'de> Heads<'de> {
    pub(crate) fn new(rest: &'de [u8]) -> Self {
        Self { rest, depth: 0 }
    }

    /// Fails when anything is left.
    pub(crate) fn end(&self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(Error::new("more than one value")) }
    }

    /// Where it is, to go back to.
    pub(crate) fn here(&self) -> &'de [u8] {
        self.rest
    }

    pub(crate) fn go_back(&mut self, here: &'de [u8]) {
        self.rest = here;
    }

    /// Takes a nil if it is next.
    pub(crate) fn nil(&mut self) -> bool {
        let is_next = self.rest.first() == Some(&0xc0);
        if is_next {
            self.rest = &self.rest[1..];
        }
        is_next
    }

    /// Goes into a list or map, which [`Self::leave`] ends.
    pub(crate) fn enter(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(Error::new("values lie too deep")) } else { Ok(()) }
    }

    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }

    pub(crate) fn next(&mut self) -> Result<Head<'de>, Error> {
        let mark = self.take::<1>()?[0];
        Ok(match mark {
            0x00..=0x7f => Head::Unsigned(mark.into()),
            0x80..=0x8f => Head::Map((mark & 0x0f).into()),
            0x90..=0x9f => Head::List((mark & 0x0f).into()),
            0xa0..=0xbf => self.cut_text(u32::from(mark & 0x1f))?,
            0xc0 => Head::Nil,
            0xc2 => Head::Bool(false),
            0xc3 => Head::Bool(true),
            0xc4..=0xc6 => {
                let length = self.big_endian(mark - 0xc4)? as usize;
                Head::Bytes(self.cut(length)?)
            }
            0xca => Head::Float(f32::from_be_bytes(self.take()?).into()),
            0xcb => Head::Float(f64::from_be_bytes(self.take()?)),
            0xcc..=0xcf => Head::Unsigned(self.big_endian(mark - 0xcc)?),
            0xd0..=0xd3 => self.big_endian_signed(mark - 0xd0)?,
            0xd9..=0xdb => {
                let length = self.big_endian(mark - 0xd9)? as u32;
                self.cut_text(length)?
            }
            0xdc | 0xdd => Head::List(self.big_endian(mark - 0xdc + 1)? as u32),
            0xde | 0xdf => Head::Map(self.big_endian(mark - 0xde + 1)? as u32),
            0xe0..=0xff => Head::Signed((mark as i8).into()),
            0xc1 | 0xc7..=0xc9 | 0xd4..=0xd8 => return Err(Error::new("a kind nobody writes")),
        })
    }

    /// Passes a whole value, however much is in it.
    pub(crate) fn skip(&mut self) -> Result<(), Error> {
        let mut left = 1_u64;
        while left > 0 {
            left += match self.next()? {
                Head::List(count) => count.into(),
                Head::Map(count) => 2 * u64::from(count),
                _ => 0,
            };
            left -= 1;
        }
        Ok(())
    }

    /// A number of so many bytes: 1, 2, 4 or 8.
    fn big_endian(&mut self, exponent: u8) -> Result<u64, Error> {
        Ok(match exponent {
            0 => u8::from_be_bytes(self.take()?).into(),
            1 => u16::from_be_bytes(self.take()?).into(),
            2 => u32::from_be_bytes(self.take()?).into(),
            _ => u64::from_be_bytes(self.take()?),
        })
    }

    fn big_endian_signed(&mut self, exponent: u8) -> Result<Head<'de>, Error> {
        let number: i64 = match exponent {
            0 => i8::from_be_bytes(self.take()?).into(),
            1 => i16::from_be_bytes(self.take()?).into(),
            2 => i32::from_be_bytes(self.take()?).into(),
            _ => i64::from_be_bytes(self.take()?),
        };
        Ok(u64::try_from(number).map_or(Head::Signed(number), Head::Unsigned))
    }

    fn cut_text(&mut self, length: u32) -> Result<Head<'de>, Error> {
        let text = std::str::from_utf8(self.cut(length as usize)?);
        text.map(Head::Text).map_err(|_| Error::new("a text that is not UTF-8"))
    }

    fn cut(&mut self, length: usize) -> Result<&'de [u8], Error> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(*bytes)
    }
}

fn cut_short() -> Error {
    Error::new("the bytes end within a value")
}
