//! Checksums of objects: computed while bytes come in, compared, put together.
//!
//! AWS docs: *Amazon S3 User Guide > Checking object integrity*.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haar_s3_contract::model::{ChecksumAlgorithm, ChecksumType};
use haar_wire::AwsError;
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use xxhash_rust::xxh3::Xxh3;
use xxhash_rust::xxh64::Xxh64;

/// How a checksum is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Kind {
    Crc32,
    Crc32c,
    Crc64nvme,
    Sha1,
    Sha256,
    Sha512,
    Md5,
    Xxhash64,
    Xxhash3,
    Xxhash128,
}

/// A checksum of an object or a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checksum {
    pub(crate) kind: Kind,
    /// In base64; of parts' checksums with their count behind a dash.
    pub(crate) value: String,
    /// Of the parts' checksums rather than of the bytes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_composite: bool,
}

impl Kind {
    /// What S3 computes where nobody asks for a kind.
    pub(crate) const OWN: Self = Self::Crc64nvme;
    pub(crate) const ALL: [Self; 10] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64nvme,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
        Self::Md5,
        Self::Xxhash64,
        Self::Xxhash3,
        Self::Xxhash128,
    ];

    /// The kind that an algorithm of the model names.
    pub(crate) fn of(algorithm: ChecksumAlgorithm) -> Result<Self, AwsError> {
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == algorithm.as_str());
        kind.ok_or_else(|| {
            let text = format!("Checksums of the kind {algorithm} are not implemented by haar");
            AwsError::new("NotImplemented", 501, text)
        })
    }

    /// As `ChecksumAlgorithm` writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
            Self::Md5 => "MD5",
            Self::Xxhash64 => "XXHASH64",
            Self::Xxhash3 => "XXHASH3",
            Self::Xxhash128 => "XXHASH128",
        }
    }

    /// As the model has it.
    pub(crate) fn algorithm(self) -> ChecksumAlgorithm {
        self.name().parse().unwrap_or_default()
    }

    /// The header that carries it: `x-amz-checksum-crc32`.
    pub(crate) fn header(self) -> String {
        format!("x-amz-checksum-{}", self.name().to_ascii_lowercase())
    }

    /// Whether checksums of parts make one of the whole.
    pub(crate) fn is_linear(self) -> bool {
        self.polynomial().is_some()
    }

    /// Of the linear kinds: their polynomial, bits mirrored.
    fn polynomial(self) -> Option<u64> {
        Some(match self {
            Self::Crc32 => 0xedb8_8320,
            Self::Crc32c => 0x82f6_3b78,
            Self::Crc64nvme => 0x9a6c_9329_ac4b_c9b5,
            _ => return None,
        })
    }

    fn len(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64nvme | Self::Xxhash64 | Self::Xxhash3 => 8,
            Self::Md5 | Self::Xxhash128 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Whether a text can be a checksum of this kind.
    pub(crate) fn is_well_formed(self, value: &str) -> bool {
        STANDARD.decode(value).is_ok_and(|bytes| bytes.len() == self.len())
    }
}

impl Checksum {
    /// `FULL_OBJECT` or `COMPOSITE`.
    pub(crate) fn scope(&self) -> ChecksumType {
        match self.is_composite {
            true => ChecksumType::Composite,
            false => ChecksumType::FullObject,
        }
    }

    /// The checksum of an object from those of its parts, given with their lengths.
    pub(crate) fn composed(kind: Kind, parts: &[(String, u64)]) -> Self {
        let mut hasher = Hasher::new(kind);
        for (value, _) in parts {
            hasher.update(&STANDARD.decode(value).unwrap_or_default());
        }
        let value = format!("{}-{}", hasher.finish(), parts.len());
        Self { kind, value, is_composite: true }
    }

    /// The checksum that the bytes of all parts have together; linear kinds only.
    pub(crate) fn joined(kind: Kind, parts: &[(String, u64)]) -> Option<Self> {
        let polynomial = kind.polynomial()?;
        let number = |value: &String| {
            let bytes = STANDARD.decode(value).unwrap_or_default();
            bytes.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte))
        };
        let mut whole: Option<u64> = None;
        for (value, length) in parts {
            let part = number(value);
            whole = Some(match whole {
                None => part,
                Some(before) => appended(polynomial, kind.len() * 8, before, part, *length),
            });
        }
        let bytes = whole?.to_be_bytes();
        let value = STANDARD.encode(&bytes[8 - kind.len()..]);
        Some(Self { kind, value, is_composite: false })
    }
}

/// The checksum of two pieces in a row, of their own ones and the second's length.
///
/// A CRC is linear: zero bits behind a piece multiply its checksum by a matrix over the field of
/// two elements, which is squared for each bit of the length.
fn appended(polynomial: u64, width: usize, first: u64, second: u64, length: u64) -> u64 {
    let times = |matrix: &[u64], mut vector: u64| {
        let mut sum = 0;
        for row in matrix {
            if vector & 1 == 1 {
                sum ^= row;
            }
            vector >>= 1;
        }
        sum
    };
    // One zero bit behind.
    let mut matrix = vec![polynomial];
    matrix.extend((0..width - 1).map(|bit| 1 << bit));
    let (mut sum, mut bits) = (first, u128::from(length) * 8);
    while bits > 0 {
        if bits & 1 == 1 {
            sum = times(&matrix, sum);
        }
        bits >>= 1;
        matrix = matrix.iter().map(|row| times(&matrix, *row)).collect();
    }
    sum ^ second
}

/// Computes one checksum.
pub(crate) enum Hasher {
    Crc32(crc32fast::Hasher),
    Crc32c(u32),
    Crc64nvme(crc64fast_nvme::Digest),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Box<Sha512>),
    Md5(Md5),
    Xxhash64(Box<Xxh64>),
    /// Also of the kind with twice the bytes.
    Xxhash3(Box<Xxh3>, Kind),
}

impl Hasher {
    pub(crate) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Crc32 => Self::Crc32(crc32fast::Hasher::new()),
            Kind::Crc32c => Self::Crc32c(0),
            Kind::Crc64nvme => Self::Crc64nvme(crc64fast_nvme::Digest::new()),
            Kind::Sha1 => Self::Sha1(Sha1::new()),
            Kind::Sha256 => Self::Sha256(Sha256::new()),
            Kind::Sha512 => Self::Sha512(Box::default()),
            Kind::Md5 => Self::Md5(Md5::new()),
            Kind::Xxhash64 => Self::Xxhash64(Box::new(Xxh64::new(0))),
            Kind::Xxhash3 | Kind::Xxhash128 => Self::Xxhash3(Box::default(), kind),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(hash) => hash.update(bytes),
            Self::Crc32c(sum) => *sum = crc32c::crc32c_append(*sum, bytes),
            Self::Crc64nvme(digest) => digest.write(bytes),
            Self::Sha1(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
            Self::Md5(hash) => hash.update(bytes),
            Self::Xxhash64(hash) => hash.update(bytes),
            Self::Xxhash3(hash, _) => hash.update(bytes),
        }
    }

    /// In base64.
    pub(crate) fn finish(self) -> String {
        match self {
            Self::Crc32(hash) => STANDARD.encode(hash.finalize().to_be_bytes()),
            Self::Crc32c(sum) => STANDARD.encode(sum.to_be_bytes()),
            Self::Crc64nvme(digest) => STANDARD.encode(digest.sum64().to_be_bytes()),
            Self::Sha1(hash) => STANDARD.encode(hash.finalize()),
            Self::Sha256(hash) => STANDARD.encode(hash.finalize()),
            Self::Sha512(hash) => STANDARD.encode(hash.finalize()),
            Self::Md5(hash) => STANDARD.encode(hash.finalize()),
            Self::Xxhash64(hash) => STANDARD.encode(hash.digest().to_be_bytes()),
            Self::Xxhash3(hash, Kind::Xxhash128) => STANDARD.encode(hash.digest128().to_be_bytes()),
            Self::Xxhash3(hash, _) => STANDARD.encode(hash.digest().to_be_bytes()),
        }
    }
}

/// The checksum that a request's headers carry, one at most, whichever shape it has: `given!(input)`.
macro_rules! given {
    ($input:expr) => {{
        use $crate::checksum::Kind;
        $crate::rules::integrity::only([
            (Kind::Crc32, $input.checksum_crc32.clone()),
            (Kind::Crc32c, $input.checksum_crc32_c.clone()),
            (Kind::Crc64nvme, $input.checksum_crc64_nvme.clone()),
            (Kind::Sha1, $input.checksum_sha1.clone()),
            (Kind::Sha256, $input.checksum_sha256.clone()),
            (Kind::Sha512, $input.checksum_sha512.clone()),
            (Kind::Md5, $input.checksum_md5.clone()),
            (Kind::Xxhash64, $input.checksum_xxhash64.clone()),
            (Kind::Xxhash3, $input.checksum_xxhash3.clone()),
            (Kind::Xxhash128, $input.checksum_xxhash128.clone()),
        ])
    }};
}

/// Puts a checksum into the member for its kind, whichever shape it is: `show!(output, checksum)`.
macro_rules! show {
    ($output:expr, $checksum:expr) => {{
        use $crate::checksum::Kind;
        let checksum: &$crate::checksum::Checksum = $checksum;
        let slot = match checksum.kind {
            Kind::Crc32 => &mut $output.checksum_crc32,
            Kind::Crc32c => &mut $output.checksum_crc32_c,
            Kind::Crc64nvme => &mut $output.checksum_crc64_nvme,
            Kind::Sha1 => &mut $output.checksum_sha1,
            Kind::Sha256 => &mut $output.checksum_sha256,
            Kind::Sha512 => &mut $output.checksum_sha512,
            Kind::Md5 => &mut $output.checksum_md5,
            Kind::Xxhash64 => &mut $output.checksum_xxhash64,
            Kind::Xxhash3 => &mut $output.checksum_xxhash3,
            Kind::Xxhash128 => &mut $output.checksum_xxhash128,
        };
        *slot = Some(checksum.value.clone());
    }};
}

pub(crate) use {given, show};

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: Kind, bytes: &[u8]) -> String {
        let mut hasher = Hasher::new(kind);
        hasher.update(bytes);
        hasher.finish()
    }

    #[test]
    fn check_values_are_those_of_the_catalogues() {
        let digits = b"123456789";
        assert_eq!(
            STANDARD.decode(of(Kind::Crc32, digits)).unwrap(),
            0xcbf4_3926_u32.to_be_bytes()
        );
        assert_eq!(
            STANDARD.decode(of(Kind::Crc32c, digits)).unwrap(),
            0xe306_9283_u32.to_be_bytes()
        );
        let nvme = 0xae8b_1486_0a79_9888_u64.to_be_bytes();
        assert_eq!(STANDARD.decode(of(Kind::Crc64nvme, digits)).unwrap(), nvme);
        let of_nothing = [
            (Kind::Xxhash64, 0xef46_db37_51d8_e999_u128),
            (Kind::Xxhash3, 0x2d06_8005_38d3_94c2),
            (Kind::Xxhash128, 0x99aa_06d3_0147_98d8_6001_c324_468d_497f),
        ];
        for (kind, sum) in of_nothing {
            let bytes = STANDARD.decode(of(kind, b"")).unwrap();
            assert!(sum.to_be_bytes().ends_with(&bytes), "{kind:?}");
        }
        for kind in Kind::ALL {
            assert!(kind.is_well_formed(&of(kind, digits)), "{kind:?}");
            assert_eq!(Kind::of(kind.algorithm()).unwrap(), kind);
        }
    }

    #[test]
    fn linear_checksums_of_parts_make_that_of_the_whole() {
        let (one, two) = (&b"hello, "[..], &b"wide world"[..]);
        for kind in [Kind::Crc32, Kind::Crc32c, Kind::Crc64nvme] {
            let parts = [(of(kind, one), 7), (of(kind, two), 10)];
            let joined = Checksum::joined(kind, &parts).unwrap();
            assert_eq!(joined.value, of(kind, b"hello, wide world"), "{kind:?}");
        }
        assert_eq!(Checksum::joined(Kind::Sha1, &[(of(Kind::Sha1, one), 7)]), None);
    }

    #[test]
    fn a_composite_checksum_ends_with_the_count_of_parts() {
        let parts = [(of(Kind::Sha256, b"a"), 1), (of(Kind::Sha256, b"b"), 1)];
        let whole = Checksum::composed(Kind::Sha256, &parts);
        assert!(whole.value.ends_with("=-2"), "{}", whole.value);
        assert_eq!(whole.scope(), ChecksumType::Composite);
    }
}
