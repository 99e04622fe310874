//! Filters of listings. AWS docs: *User Guide > Find secrets*.

use haar_secretsmanager_contract::{Filter, FilterNameStringType};
use haar_wire::AwsError;

use crate::refusal::invalid;
use crate::state::SecretRow;

/// Whether a secret matches all filters, each by any of its values.
pub(crate) fn fits(row: &SecretRow, filters: &[Filter]) -> bool {
    filters.iter().all(|filter| {
        let Some(key) = filter.key else { return true };
        let values = filter.values.as_deref().unwrap_or_default();
        let (negated, plain): (Vec<&String>, Vec<&String>) =
            values.iter().partition(|value| value.starts_with('!'));
        let hit = |value: &str| says(row, key, value);
        (plain.is_empty() || plain.iter().any(|value| hit(value)))
            && !negated.iter().any(|value| hit(&value[1..]))
    })
}

fn says(row: &SecretRow, key: FilterNameStringType, value: &str) -> bool {
    let begins = |text: &str| text.starts_with(value);
    let lower = value.to_lowercase();
    match key {
        FilterNameStringType::Name => begins(&row.key.2),
        FilterNameStringType::Description => {
            row.description.as_ref().is_some_and(|text| text.to_lowercase().starts_with(&lower))
        }
        FilterNameStringType::TagKey => row.tags.keys().any(|text| begins(text)),
        FilterNameStringType::TagValue => row.tags.values().any(|text| begins(text)),
        FilterNameStringType::PrimaryRegion => {
            begins(row.primary.as_ref().unwrap_or(&row.key.1).as_str())
        }
        FilterNameStringType::OwningService => false, // no service manages secrets here
        FilterNameStringType::All => {
            let texts = [Some(&row.key.2), row.description.as_ref()];
            let tags = row.tags.iter().flat_map(|(key, value)| [key, value]);
            let all: Vec<String> =
                texts.into_iter().flatten().chain(tags).map(|text| text.to_lowercase()).collect();
            let mut words = lower.split(|letter: char| !letter.is_alphanumeric());
            words.all(|word| all.iter().any(|text| text.contains(word)))
        }
    }
}

/// Refuses filters without a key or a value.
pub(crate) fn check(filters: &[Filter]) -> Result<(), AwsError> {
    for filter in filters {
        if filter.key.is_none() || filter.values.as_ref().is_none_or(Vec::is_empty) {
            return Err(invalid("A filter needs a key and at least one value."));
        }
    }
    Ok(())
}
