//! Items as kv holds them: names and values one after another, lengths before contents.

use bytes::{Buf, Bytes};

use super::number::Number;
use super::value::{Attr, Item};

/// Writes an item.
pub(crate) fn encode(item: &Item) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + item.len() * 16);
    write_map(&mut out, item);
    out
}

/// Reads an item; `None` where the bytes are not one.
pub(crate) fn decode(mut bytes: Bytes) -> Option<Item> {
    read_map(&mut bytes)
}

fn write_length(out: &mut Vec<u8>, length: usize) {
    write_varint(out, length as u128);
}

fn write_varint(out: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn write_number(out: &mut Vec<u8>, number: Number) {
    let (digits, exponent) = number.parts();
    out.extend_from_slice(&exponent.to_be_bytes());
    let sign = u128::from(digits < 0);
    write_varint(out, digits.unsigned_abs() << 1 | sign);
}

fn write_map(out: &mut Vec<u8>, map: &Item) {
    write_length(out, map.len());
    for (name, value) in map {
        write_bytes(out, name.as_bytes());
        write_value(out, value);
    }
}

fn write_value(out: &mut Vec<u8>, value: &Attr) {
    out.push(value.kind() as u8);
    match value {
        Attr::S(text) => write_bytes(out, text.as_bytes()),
        Attr::N(number) => write_number(out, *number),
        Attr::B(bytes) => write_bytes(out, bytes),
        Attr::Ss(set) => {
            write_length(out, set.len());
            set.iter().for_each(|text| write_bytes(out, text.as_bytes()));
        }
        Attr::Ns(set) => {
            write_length(out, set.len());
            set.iter().for_each(|number| write_number(out, *number));
        }
        Attr::Bs(set) => {
            write_length(out, set.len());
            set.iter().for_each(|bytes| write_bytes(out, bytes));
        }
        Attr::M(map) => write_map(out, map),
        Attr::L(list) => {
            write_length(out, list.len());
            list.iter().for_each(|value| write_value(out, value));
        }
        Attr::Null => {}
        Attr::Bool(flag) => out.push(u8::from(*flag)),
    }
}

fn read_varint(from: &mut Bytes) -> Option<u128> {
    let (mut value, mut shift) = (0_u128, 0);
    loop {
        let byte = take_byte(from)?;
        value |= u128::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(value);
        }
        shift += 7;
    }
}

fn take_byte(from: &mut Bytes) -> Option<u8> {
    (from.has_remaining()).then(|| from.get_u8())
}

fn read_length(from: &mut Bytes) -> Option<usize> {
    usize::try_from(read_varint(from)?).ok()
}

fn read_bytes(from: &mut Bytes) -> Option<Bytes> {
    let length = read_length(from)?;
    (length <= from.len()).then(|| from.split_to(length))
}

fn read_text(from: &mut Bytes) -> Option<String> {
    let length = read_length(from)?;
    let text = std::str::from_utf8(from.get(..length)?).ok()?.to_owned();
    from.advance(length);
    Some(text)
}

fn read_number(from: &mut Bytes) -> Option<Number> {
    let exponent = i16::from_be_bytes([take_byte(from)?, take_byte(from)?]);
    let value = read_varint(from)?;
    let digits = i128::try_from(value >> 1).ok()?;
    Some(Number::of_parts(if value & 1 == 1 { -digits } else { digits }, exponent))
}

fn read_map(from: &mut Bytes) -> Option<Item> {
    let count = read_length(from)?;
    let mut map = Item::new();
    for _ in 0..count {
        let name = read_text(from)?;
        map.insert(name, read_value(from)?);
    }
    Some(map)
}

fn read_list<T>(from: &mut Bytes, read: impl Fn(&mut Bytes) -> Option<T>) -> Option<Vec<T>> {
    let count = read_length(from)?;
    (0..count).map(|_| read(from)).collect()
}

fn read_value(from: &mut Bytes) -> Option<Attr> {
    Some(match take_byte(from)? {
        0 => Attr::S(read_text(from)?),
        1 => Attr::N(read_number(from)?),
        2 => Attr::B(read_bytes(from)?),
        3 => Attr::Ss(read_list(from, read_text)?),
        4 => Attr::Ns(read_list(from, read_number)?),
        5 => Attr::Bs(read_list(from, read_bytes)?),
        6 => Attr::M(read_map(from)?),
        7 => Attr::L(read_list(from, read_value)?),
        8 => Attr::Null,
        9 => Attr::Bool(take_byte(from)? == 1),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_of_every_type_comes_back_as_it_was() {
        let number = |text: &str| Number::parse(text).unwrap();
        let nested = Item::from([("a".to_owned(), Attr::L(vec![Attr::Null, Attr::Bool(true)]))]);
        let item = Item::from([
            ("s".to_owned(), Attr::S("grüße".repeat(100))),
            ("n".to_owned(), Attr::N(number("-12345678901234567890123456789012345678"))),
            ("tiny".to_owned(), Attr::N(number("1e-130"))),
            ("b".to_owned(), Attr::B(Bytes::from_static(&[0, 255]))),
            ("ss".to_owned(), Attr::Ss(vec!["a".to_owned(), "b".to_owned()])),
            ("ns".to_owned(), Attr::Ns(vec![number("-1"), number("1e125")])),
            ("bs".to_owned(), Attr::Bs(vec![Bytes::from_static(b"x")])),
            ("m".to_owned(), Attr::M(nested)),
            ("false".to_owned(), Attr::Bool(false)),
        ]);
        assert_eq!(decode(encode(&item).into()), Some(item));
    }

    #[test]
    fn bytes_that_are_no_item_are_none() {
        for bytes in [&[][..], &[1], &[1, 1, b'a', 77], &[1, 1, b'a', 0, 200, 1]] {
            assert_eq!(decode(Bytes::copy_from_slice(bytes)), None, "{bytes:?}");
        }
    }
}
