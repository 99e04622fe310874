//! Paths that get into each other's way.

use super::path::{Path, Step};

/// Refuses paths of which one is, or leads through, another.
pub(crate) fn check(paths: &[&Path]) -> Result<(), String> {
    for (at, one) in paths.iter().enumerate() {
        for other in &paths[at + 1..] {
            if one.attribute == other.attribute {
                check_pair(one, other)?;
            }
        }
    }
    Ok(())
}

fn check_pair(one: &Path, other: &Path) -> Result<(), String> {
    let differ = one.steps.iter().zip(&other.steps).find(|(step, other)| step != other);
    let what = match differ {
        None => "overlap",
        Some((Step::Name(_), Step::Index(_)) | (Step::Index(_), Step::Name(_))) => "conflict",
        Some(_) => return Ok(()),
    };
    Err(format!(
        "Two document paths {what} with each other; must remove or rewrite one of these paths; \
         path one: {one}, path two: {other}"
    ))
}
