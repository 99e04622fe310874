//! Regions and their availability zones.

/// Letters of the zones that every region has here.
const LETTERS: [char; 3] = ['a', 'b', 'c'];

/// The zones of a region: `us-east-1a` to `us-east-1c`.
pub(crate) fn zones(region: &str) -> Vec<String> {
    LETTERS.iter().map(|letter| format!("{region}{letter}")).collect()
}

/// The id of a zone, the same in all accounts: `use1-az1`. *Ours*: the zone's letter counts;
/// AWS shuffles them between accounts.
pub(crate) fn zone_id(zone: &str) -> String {
    let (region, letter) = zone.split_at(zone.len().saturating_sub(1));
    let number = LETTERS.iter().position(|known| letter.starts_with(*known)).unwrap_or(0) + 1;
    let mut parts = region.split('-');
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        short.push_str(&shortened(part));
    }
    format!("{short}-az{number}")
}

/// `southeast` as `se`, `central` as `c`, numbers as they are.
fn shortened(part: &str) -> String {
    for long in ["north", "south"] {
        if let Some(rest) = part.strip_prefix(long) {
            return format!("{}{}", &long[..1], rest.get(..1).unwrap_or_default());
        }
    }
    part.get(..1).unwrap_or_default().to_owned()
}

/// The zone of a region by name or by id.
pub(crate) fn zone_named(region: &str, name: Option<&str>, id: Option<&str>) -> Option<String> {
    let fits = |zone: &String| match (name, id) {
        (Some(name), _) => zone == name,
        (None, Some(id)) => zone_id(zone) == id,
        (None, None) => true,
    };
    zones(region).into_iter().find(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_ids() {
        assert_eq!(zones("eu-west-1"), ["eu-west-1a", "eu-west-1b", "eu-west-1c"]);
        assert_eq!(zone_id("us-east-1a"), "use1-az1");
        assert_eq!(zone_id("ap-southeast-2c"), "apse2-az3");
        assert_eq!(zone_id("eu-central-1b"), "euc1-az2");
        let by_id = zone_named("us-east-1", None, Some("use1-az2"));
        assert_eq!(by_id.as_deref(), Some("us-east-1b"));
        assert_eq!(zone_named("us-east-1", Some("us-east-1z"), None), None);
    }
}
