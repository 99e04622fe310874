//! Hash keys: where in a stream a partition key belongs. AWS docs: *Kinesis Data Streams
//! terminology > Partition key*.

use md5::{Digest as _, Md5};

/// The hash key of a partition key: its MD5 as a number.
pub(crate) fn of_partition_key(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into())
}

/// A hash key as it is given; `None` beyond the last.
pub(crate) fn parse(text: &str) -> Option<u128> {
    text.parse().ok()
}

/// The ranges of so many shards of equal size; the last takes what does not divide.
pub(crate) fn uniform(count: u32) -> Vec<(u128, u128)> {
    let count = u128::from(count.max(1));
    let width = u128::MAX / count + u128::from(count > 1 && u128::MAX % count == count - 1);
    let start = |index: u128| if index == 0 { 0 } else { width * index };
    let end = |index: u128| if index + 1 == count { u128::MAX } else { start(index + 1) - 1 };
    (0..count).map(|index| (start(index), end(index))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_key_is_hashed_as_md5() {
        assert_eq!(of_partition_key("a"), 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661);
    }

    #[test]
    fn uniform_ranges_cover_all_keys_without_overlap() {
        for count in [1, 2, 3, 4, 7, 1000] {
            let ranges = uniform(count);
            assert_eq!(ranges.len(), count as usize);
            assert_eq!((ranges[0].0, ranges[ranges.len() - 1].1), (0, u128::MAX));
            assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
        }
        assert_eq!(uniform(2)[1].0, 1 << 127); // as AWS cuts
    }

    #[test]
    fn keys_beyond_the_last_are_none() {
        assert_eq!(parse("340282366920938463463374607431768211455"), Some(u128::MAX));
        assert_eq!(parse("340282366920938463463374607431768211456"), None);
    }
}
