//! Names of parameters, and what may stand in their place.

use haar_ssm_contract::HierarchyLevelLimitExceededException;
use haar_types::{AccountId, Arn, Region};
use haar_wire::AwsError;

use crate::refusal::invalid;

/// Levels of a hierarchy at most.
const LEVELS_MAX: usize = 15;
/// Letters of a name at most, the ARN's part before it included.
const NAME_MAX: usize = 1011;

/// A parameter that a request names, and which of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    /// The names that it may stand for: an ARN does not show whether a name begins with `/`.
    pub(crate) names: Vec<String>,
    pub(crate) selector: Option<Selector>,
}

/// What stands behind a name's colon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    Version(i64),
    Label(String),
}

impl Selector {
    /// As answers show it: `:3`.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Version(number) => format!(":{number}"),
            Self::Label(label) => format!(":{label}"),
        }
    }
}

impl Reference {
    /// Reads a name or an ARN, with or without a selector.
    pub(crate) fn read(account: &AccountId, region: &Region, text: &str) -> Option<Self> {
        let Ok(arn) = text.parse::<Arn>() else {
            let (name, selector) = split(text);
            let names = vec![name.to_owned()];
            return Some(Self {
                account: account.clone(),
                region: region.clone(),
                names,
                selector,
            });
        };
        let name = arn.resource().strip_prefix("parameter/").filter(|_| arn.service() == "ssm")?;
        let (name, selector) = split(name);
        let names = match name.contains('/') {
            true => vec![format!("/{name}")],
            false => vec![name.to_owned(), format!("/{name}")],
        };
        let (account, region) = (arn.account().parse().ok()?, arn.region().parse().ok()?);
        Some(Self { account, region, names, selector })
    }
}

fn split(text: &str) -> (&str, Option<Selector>) {
    match text.split_once(':') {
        None => (text, None),
        Some((name, selector)) => match selector.parse() {
            Ok(number) => (name, Some(Selector::Version(number))),
            Err(_) => (name, Some(Selector::Label(selector.to_owned()))),
        },
    }
}

/// The ARN of a parameter.
pub(crate) fn arn_of(account: &AccountId, region: &Region, name: &str) -> String {
    let name = name.strip_prefix('/').unwrap_or(name);
    format!("arn:aws:ssm:{region}:{account}:parameter/{name}")
}

/// Refuses what no new parameter may be called.
pub(crate) fn check(name: &str) -> Result<(), AwsError> {
    let form = "If formed as a path, it can consist of sub-paths divided by slash symbol; each \
                sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_";
    if name.contains('/') && !name.starts_with('/') {
        return Err(invalid("Parameter name must be a fully qualified name."));
    }
    let first = name.trim_start_matches('/').to_lowercase();
    if first.starts_with("aws") && name.starts_with('/') {
        let text = format!("No access to reserved parameter name: {name}.");
        return Err(AwsError::access_denied(text));
    }
    for prefix in ["aws", "ssm"] {
        if first.starts_with(prefix) {
            let text = format!(
                "Parameter name: can't be prefixed with \"{prefix}\" (case-insensitive). {form}"
            );
            return Err(invalid(text));
        }
    }
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "._-/".contains(letter);
    let empty_part = name.contains("//") || name.ends_with('/');
    if name.is_empty() || !name.chars().all(legal) || empty_part {
        let text =
            format!("Parameter name: can't be prefixed with \"ssm\" (case-insensitive). {form}");
        return Err(invalid(text));
    }
    if name.len() > NAME_MAX {
        return Err(invalid(format!("Parameter name is longer than {NAME_MAX} characters")));
    }
    if name.matches('/').count() > LEVELS_MAX {
        let text = format!(
            "The hierarchy of the parameter name can have a maximum of {LEVELS_MAX} levels."
        );
        return Err(HierarchyLevelLimitExceededException::message(text).into());
    }
    Ok(())
}

/// A path as a prefix of names: `/a` and `/a/` stand for `/a/…`, `/` for all.
pub(crate) fn prefix_of_path(path: &str) -> Result<String, AwsError> {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "._-/".contains(letter);
    if !path.starts_with('/') || !path.chars().all(legal) || path.contains("//") {
        return Err(invalid(
            "The parameter doesn't meet the parameter name requirements. The parameter name must \
             begin with a forward slash \"/\". It can't be prefixed with \"aws\" or \"ssm\" \
             (case-insensitive). It must use only letters, numbers, or the following symbols: . \
             (period), - (hyphen), _ (underscore). Special characters are not allowed. All \
             sub-paths, if specified, must use the forward slash symbol \"/\". Valid example: \
             /get/parameters2-/by1./path0_.",
        ));
    }
    Ok(format!("{}/", path.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Reference> {
        Reference::read(&AccountId::default(), &Region::default(), text)
    }

    #[test]
    fn a_parameter_is_named_by_name_or_arn_and_selector() {
        let plain = read("/a/b:3").unwrap();
        assert_eq!(plain.names, ["/a/b"]);
        assert_eq!(plain.selector, Some(Selector::Version(3)));
        let arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/a/b:live";
        let by_arn = read(arn).unwrap();
        assert_eq!((by_arn.names, by_arn.region.as_str()), (vec!["/a/b".to_owned()], "eu-west-1"));
        assert_eq!(by_arn.selector, Some(Selector::Label("live".to_owned())));
        let short = read("arn:aws:ssm:eu-west-1:123456789012:parameter/a").unwrap();
        assert_eq!(short.names, ["a", "/a"]);
        assert_eq!(read("arn:aws:s3:::bucket"), None);
    }

    #[test]
    fn names_keep_to_the_rules() {
        for name in ["a", "/a", "/a/b.c-d_e", "A1"] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in ["", "a/b", "/a//b", "/a/", "ssm-x", "/ssm/x", "awsx", "/aws/x", "a b", "ä"] {
            assert!(check(name).is_err(), "{name}");
        }
        assert!(check(&"/a".repeat(15)).is_ok());
        let deep = check(&"/a".repeat(16)).unwrap_err();
        assert_eq!(deep.name(), "HierarchyLevelLimitExceededException");
    }
}
