//! Keys as bytes that sort as AWS sorts them: numbers by value, texts by their UTF-8, binaries
//! as unsigned bytes.

use super::value::Attr;

/// Ends a part of a key. Within parts a zero byte is followed by [`ESCAPED`], so a part that
/// begins another sorts before it.
const END: [u8; 2] = [0, 0];

/// Follows a zero byte that belongs to a part.
const ESCAPED: u8 = 0xff;

/// Appends one part of a key. Values of other types than a key's have none.
pub(crate) fn push(out: &mut Vec<u8>, value: &Attr) {
    push_open(out, value);
    out.extend_from_slice(&END);
}

/// Appends a part without its end: what all keys that begin with it have in common.
pub(crate) fn push_open(out: &mut Vec<u8>, value: &Attr) {
    match value {
        Attr::S(text) => push_escaped(out, text.as_bytes()),
        Attr::N(number) => push_escaped(out, &number.sortable()),
        Attr::B(bytes) => push_escaped(out, bytes),
        _ => {}
    }
}

fn push_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(ESCAPED);
        }
    }
}

/// What stands before a partition key, so that tables are scanned in no telling order and in
/// parallel: FNV-1a, folded. It must not change: it is on disk.
pub(crate) fn spread(partition: &[u8]) -> [u8; 2] {
    let hash = partition.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let folded = hash ^ (hash >> 32);
    (((folded ^ (folded >> 16)) & 0xffff) as u16).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::super::number::Number;
    use super::*;

    fn encoded(value: &Attr) -> Vec<u8> {
        let mut out = Vec::new();
        push(&mut out, value);
        out
    }

    #[test]
    fn numbers_sort_by_value() {
        let texts = ["-1e125", "-12", "-1.5", "-1e-130", "0", "1e-130", "0.5", "9", "10", "1e125"];
        let keys: Vec<_> =
            texts.iter().map(|text| encoded(&Attr::N(Number::parse(text).unwrap()))).collect();
        assert!(keys.is_sorted_by(|one, other| one < other));
    }

    proptest! {
        #[test]
        fn bytes_sort_as_they_are(a in any::<Vec<u8>>(), b in any::<Vec<u8>>()) {
            let (one, other) = (Attr::B(Bytes::from(a.clone())), Attr::B(Bytes::from(b.clone())));
            prop_assert_eq!(encoded(&one).cmp(&encoded(&other)), a.cmp(&b));
        }

        #[test]
        fn what_follows_does_not_mix_with_a_part(a in "[\\x00-\\x02]{0,4}", b in "[\\x00-\\x02]{0,4}",
                                                 x in "[\\x00-\\x02]{0,4}", y in "[\\x00-\\x02]{0,4}") {
            let key = |one: &str, two: &str| {
                let mut out = encoded(&Attr::S(one.to_owned()));
                push(&mut out, &Attr::S(two.to_owned()));
                out
            };
            prop_assert_eq!(key(&a, &x).cmp(&key(&b, &y)), (a, x).cmp(&(b, y)));
        }
    }
}
