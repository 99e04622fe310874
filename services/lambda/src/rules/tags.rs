//! Tags of functions, event source mappings and code signing configurations.

use haar_types::Tags;

use crate::Refusal;

/// Tags per resource.
pub const TAGS_MAX: usize = 50;

/// Refuses tags that AWS refuses.
///
/// # Errors
/// When there are too many, or one is AWS's own or too long.
pub fn check(tags: &Tags) -> Result<(), Refusal> {
    if tags.len() > TAGS_MAX {
        return Err(Refusal::invalid("Number of tags exceeds resource tag limit."));
    }
    for (key, value) in tags {
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(Refusal::invalid(
                "Tag keys starting with 'aws:' are reserved for system use.",
            ));
        }
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(Refusal::invalid("Tag keys have 1 to 128 letters, their values 0 to 256."));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_tags_fit_and_none_of_awss_own() {
        let many = |count: usize| -> Tags {
            (0..count).map(|at| (format!("k{at}"), String::new())).collect()
        };
        assert_eq!(check(&many(50)), Ok(()));
        assert!(check(&many(51)).is_err());
        assert!(check(&[("aws:x".to_owned(), "y".to_owned())].into()).is_err());
    }
}
