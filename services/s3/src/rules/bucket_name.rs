//! Names of buckets. AWS docs: *Amazon S3 User Guide > General purpose bucket naming rules*.

use haar_wire::AwsError;

/// What names must not begin with.
const PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
/// What they must not end with.
const SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

/// Refuses a name that no bucket may have.
pub(crate) fn check(name: &str) -> Result<(), AwsError> {
    match is_legal(name) {
        true => Ok(()),
        false => Err(AwsError::new("InvalidBucketName", 400, "The specified bucket is not valid.")
            .element("BucketName", name)),
    }
}

/// Whether a bucket may have this name.
pub(crate) fn is_legal(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let edges = name.bytes().next().is_some_and(letter) && name.bytes().last().is_some_and(letter);
    (3..=63).contains(&name.len())
        && edges
        && name.bytes().all(|byte| letter(byte) || byte == b'-' || byte == b'.')
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_aws_takes_them() {
        for good in ["abc", "my.bucket-1", &"a".repeat(63)] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["sthree-a", "amzn-s3-demo-bucket", "a-s3alias", "a--ol-s3", "a.mrap"] {
            assert!(check(bad).is_err(), "{bad}");
        }
        for bad in ["a--x-s3", "a--table-s3"] {
            assert!(check(bad).is_err(), "{bad}");
        }
        let long = "a".repeat(64);
        for bad in ["ab", "Abc", "a_b", "-ab", "ab-", "a..b", "192.168.5.4", "xn--a", &long] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
