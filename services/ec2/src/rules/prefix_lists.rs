//! Prefix lists that AWS manages. haar serves S3 and DynamoDB on its own port; the lists are
//! there so that gateway endpoints and security groups can name them, and hold the ranges that
//! RFC 5737 sets aside, which are nobody's.

use haar_ec2_contract::peek::Place;

use super::derived;

/// Services with a gateway endpoint, and the ranges of their lists.
pub(crate) const PREFIX_LISTS: &[(&str, &[&str])] =
    &[("dynamodb", &["192.0.2.0/25"]), ("s3", &["198.51.100.0/25", "198.51.100.128/25"])];

/// A list that AWS manages.
#[derive(Clone, Debug)]
pub(crate) struct ManagedList {
    /// `pl-…`.
    pub(crate) id: String,
    /// `com.amazonaws.us-east-1.s3`.
    pub(crate) name: String,
    pub(crate) ranges: &'static [&'static str],
}

/// All lists of a region; their ids are the same in every account.
pub(crate) fn managed_lists(place: &Place) -> Vec<ManagedList> {
    let everyone = Place { account: Default::default(), region: place.region.clone() };
    let list = |(service, ranges): &(&str, &'static [&'static str])| ManagedList {
        id: short(&derived("pl", &everyone, service)),
        name: format!("com.amazonaws.{}.{service}", place.region),
        ranges,
    };
    PREFIX_LISTS.iter().map(list).collect()
}

/// The list of an id or a name.
pub(crate) fn managed_list(place: &Place, id_or_name: &str) -> Option<ManagedList> {
    let fits = |list: &ManagedList| list.id == id_or_name || list.name == id_or_name;
    managed_lists(place).into_iter().find(fits)
}

/// AWS's own lists have ids of eight digits: `pl-63a5400a`.
fn short(id: &str) -> String {
    let digits = id.trim_start_matches("pl-0");
    format!("pl-{}", digits.get(..8).unwrap_or(digits))
}
