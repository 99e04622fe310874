//! Prefixes of repository names: of templates and of pull-through cache rules.

/// The prefix that fits a repository which no other prefix fits.
pub(crate) const ROOT: &str = "ROOT";

/// What of a name comes behind a prefix; None when the prefix does not fit. A prefix is whole
/// parts of the name.
pub(crate) fn behind<'a>(prefix: &str, name: &'a str) -> Option<&'a str> {
    if prefix == ROOT {
        return Some(name);
    }
    let prefix = prefix.trim_end_matches('/');
    name.strip_prefix(prefix)?.strip_prefix('/').filter(|rest| !rest.is_empty())
}

/// The closest of some prefixes: the longest that fits, at last `ROOT`.
pub(crate) fn closest<T>(
    all: impl Iterator<Item = T>,
    prefix: impl Fn(&T) -> &str,
    name: &str,
) -> Option<T> {
    let fits = all.filter(|item| behind(prefix(item), name).is_some());
    fits.max_by_key(|item| {
        let prefix = prefix(item);
        if prefix == ROOT { 0 } else { prefix.len() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_of_whole_parts_is_closest() {
        let closest = |name| closest(["ROOT", "team", "team/a/"].into_iter(), |it| it, name);
        assert_eq!(closest("team/a/x"), Some("team/a/"));
        assert_eq!(closest("team/ab"), Some("team"));
        assert_eq!(closest("teams/a"), Some("ROOT"));
        assert_eq!(behind("hub", "hub/library/nginx"), Some("library/nginx"));
        assert_eq!(behind("hub", "hub"), None);
    }
}
