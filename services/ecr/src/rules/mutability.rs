//! Which tags may be moved. AWS docs: *Amazon ECR User Guide > Preventing image tags from being
//! overwritten*.

use haar_ecr_contract::model::{
    ImageTagMutability, ImageTagMutabilityExclusionFilter, ImageTagMutabilityExclusionFilterType,
};
use haar_wire::AwsError;

use super::glob;
use crate::refusal;
use crate::state::RepositorySettings;

/// Stars in one filter at most.
const WILDCARDS_MAX: usize = 2;

/// True when a tag that stands must stay where it is.
pub(crate) fn is_immutable(settings: &RepositorySettings, tag: &str) -> bool {
    let is_excluded = settings.mutability_exclusions.iter().any(|it| glob::matches(it, tag));
    match settings.mutability {
        ImageTagMutability::Mutable => false,
        ImageTagMutability::Immutable => true,
        ImageTagMutability::ImmutableWithExclusion => !is_excluded,
        ImageTagMutability::MutableWithExclusion => is_excluded,
    }
}

/// Sets what a request says, if it says anything.
pub(crate) fn set(
    settings: &mut RepositorySettings,
    mutability: Option<ImageTagMutability>,
    filters: Option<Vec<ImageTagMutabilityExclusionFilter>>,
) -> Result<(), AwsError> {
    use ImageTagMutability::{ImmutableWithExclusion, MutableWithExclusion};
    let mutability = mutability.unwrap_or(ImageTagMutability::Mutable);
    let needs_filters = matches!(mutability, ImmutableWithExclusion | MutableWithExclusion);
    let filters: Vec<String> = filters.into_iter().flatten().map(|filter| filter.filter).collect();
    let name = "imageTagMutabilityExclusionFilters";
    if needs_filters == filters.is_empty() {
        let must = if needs_filters { "Must be given" } else { "Must not be given" };
        return Err(refusal::constraint(name, &format!("{must} with {mutability}")));
    }
    if filters.iter().any(|filter| filter.matches('*').count() > WILDCARDS_MAX) {
        let text = format!("Must have at most {WILDCARDS_MAX} wildcards");
        return Err(refusal::constraint(name, &text));
    }
    settings.mutability = mutability;
    settings.mutability_exclusions = filters;
    Ok(())
}

/// The filters as the wire has them; none where there are none.
pub(crate) fn shown(
    settings: &RepositorySettings,
) -> Option<Vec<ImageTagMutabilityExclusionFilter>> {
    let shown = |filter: &String| ImageTagMutabilityExclusionFilter {
        filter_type: ImageTagMutabilityExclusionFilterType::Wildcard,
        filter: filter.clone(),
    };
    let filters = &settings.mutability_exclusions;
    (!filters.is_empty()).then(|| filters.iter().map(shown).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(mutability: ImageTagMutability) -> RepositorySettings {
        let mutability_exclusions = vec!["latest*".to_owned()];
        RepositorySettings { mutability, mutability_exclusions, ..Default::default() }
    }

    #[test]
    fn exclusions_are_the_other_way() {
        let settled = settings(ImageTagMutability::ImmutableWithExclusion);
        assert!(is_immutable(&settled, "v1") && !is_immutable(&settled, "latest-1"));
        let loose = settings(ImageTagMutability::MutableWithExclusion);
        assert!(!is_immutable(&loose, "v1") && is_immutable(&loose, "latest"));
    }
}
