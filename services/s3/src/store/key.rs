//! Keys of records: a bucket's id, the object's key so that order is kept, and what follows.
//!
//! A zero byte within an object's key is written as `00 ff`, and `00 00` ends it: so `a` comes
//! before `a\0` and that before `ab`, as their bytes do.

/// Where the newest version of an object stands; its older ones follow this, with eight bytes.
pub(crate) fn place(bucket: u64, key: &str) -> Vec<u8> {
    let mut place = prefix(bucket, key);
    place.extend([0, 0]);
    place
}

/// What the places of all keys begin with that begin with `text`.
pub(crate) fn prefix(bucket: u64, text: &str) -> Vec<u8> {
    let mut place = Vec::with_capacity(text.len() + 20);
    place.extend(bucket.to_be_bytes());
    for byte in text.bytes() {
        place.push(byte);
        if byte == 0 {
            place.push(0xff);
        }
    }
    place
}

/// Where an older version stands: newer ones first.
pub(crate) fn version(place: &[u8], sequence: u64) -> Vec<u8> {
    [place, &(!sequence).to_be_bytes()].concat()
}

/// The object's key within a place, and how long the place is without what follows.
pub(crate) fn key_of(place: &[u8]) -> (String, usize) {
    let mut key = Vec::with_capacity(place.len());
    let mut at = 8;
    while at < place.len() {
        match (place[at], place.get(at + 1)) {
            (0, Some(0)) => return (text(key), at + 2),
            (0, _) => {
                key.push(0);
                at += 2;
            }
            (byte, _) => {
                key.push(byte);
                at += 1;
            }
        }
    }
    (text(key), place.len())
}

/// The first place behind all that begin with `prefix`.
pub(crate) fn behind(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last != 0xff {
            end.push(last + 1);
            return end;
        }
    }
    vec![0xff; 16] // behind all places: ids of buckets begin otherwise
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_the_order_of_keys_with_older_versions_behind() {
        let keys = ["", "a", "a\0", "a\0b", "a/b", "ab", "b", "\u{e9}"];
        let mut places = Vec::new();
        for key in keys {
            let place = place(7, key);
            assert_eq!(key_of(&place), (key.to_owned(), place.len()));
            places.push(place.clone());
            places.push(version(&place, 9));
            places.push(version(&place, 3));
        }
        assert!(places.is_sorted());
    }

    #[test]
    fn behind_a_prefix_is_the_next_sibling() {
        assert!(place(7, "a/zzz") < behind(&prefix(7, "a/")));
        assert!(place(7, "a0") >= behind(&prefix(7, "a/")));
        assert_eq!(behind(&[1, 0xff]), [2]);
    }
}
