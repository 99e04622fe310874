//! The regions that AWS has, and what their names look like.

/// AWS's regions and whether an account has to opt in. Other regions work too, and are not
/// listed. AWS docs: *AWS Regions and Availability Zones > AWS Regions*.
pub const REGIONS: &[(&str, bool)] = &[
    ("af-south-1", true),
    ("ap-east-1", true),
    ("ap-east-2", true),
    ("ap-northeast-1", false),
    ("ap-northeast-2", false),
    ("ap-northeast-3", false),
    ("ap-south-1", false),
    ("ap-south-2", true),
    ("ap-southeast-1", false),
    ("ap-southeast-2", false),
    ("ap-southeast-3", true),
    ("ap-southeast-4", true),
    ("ap-southeast-5", true),
    ("ap-southeast-6", true),
    ("ap-southeast-7", true),
    ("ca-central-1", false),
    ("ca-west-1", true),
    ("eu-central-1", false),
    ("eu-central-2", true),
    ("eu-north-1", false),
    ("eu-south-1", true),
    ("eu-south-2", true),
    ("eu-west-1", false),
    ("eu-west-2", false),
    ("eu-west-3", false),
    ("il-central-1", true),
    ("me-central-1", true),
    ("me-south-1", true),
    ("mx-central-1", true),
    ("sa-east-1", false),
    ("us-east-1", false),
    ("us-east-2", false),
    ("us-west-1", false),
    ("us-west-2", false),
];

/// What regions' names begin with, those of AWS's other partitions too.
const AREAS: &[&str] = &[
    "af", "ap", "ca", "cn", "eu", "eu-isoe", "eusc-de", "il", "me", "mx", "sa", "us", "us-gov",
    "us-iso", "us-isob", "us-isof",
];

/// Where in its area a region lies.
const DIRECTIONS: &[&str] = &[
    "central",
    "east",
    "north",
    "northeast",
    "northwest",
    "south",
    "southeast",
    "southwest",
    "west",
];

/// True for names of the form that AWS's regions have in all partitions, such as
/// `ap-southeast-2` and `us-gov-west-1`: AWS adds regions, and [`REGIONS`] has one partition's.
pub fn is_region_name(name: &str) -> bool {
    let Some((place, number)) = name.rsplit_once('-') else { return false };
    let Some((area, direction)) = place.rsplit_once('-') else { return false };
    AREAS.contains(&area)
        && DIRECTIONS.contains(&direction)
        && (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Partitions beside `aws`, by what the names of their regions begin with.
const PARTITIONS: &[(&str, &str)] = &[
    ("cn-", "aws-cn"),
    ("eu-isoe-", "aws-iso-e"),
    ("eusc-", "aws-eusc"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
];

/// The partition that AWS has a region in, by the region's name.
pub fn partition_of(region: &str) -> &'static str {
    let other = PARTITIONS.iter().find(|(area, _)| region.starts_with(area));
    other.map_or("aws", |(_, partition)| partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_in_one_partition() {
        assert_eq!(partition_of("us-west-2"), "aws");
        assert_eq!(partition_of("us-gov-west-1"), "aws-us-gov");
        assert_eq!(partition_of("us-isob-east-1"), "aws-iso-b");
        assert_eq!(partition_of("cn-north-1"), "aws-cn");
    }

    #[test]
    fn regions_of_all_partitions_have_names_of_the_form() {
        let others = [
            "cn-north-1",
            "cn-northwest-1",
            "eu-isoe-west-1",
            "eusc-de-east-1",
            "us-gov-east-1",
            "us-iso-west-1",
            "us-isob-east-1",
            "us-isof-south-1",
        ];
        for name in REGIONS.iter().map(|(name, _)| *name).chain(others) {
            assert!(is_region_name(name), "{name}");
        }
        for name in ["", "us-east", "us-east-", "us-east-1a", "us-moon-1", "xx-east-1", "east-1"] {
            assert!(!is_region_name(name), "{name}");
        }
    }
}
