//! Names of functions and layers, in all forms that callers may give.

use std::str::FromStr as _;

use haar_types::{AccountId, Region};

use crate::refusal::Refusal;
use crate::state::{FunctionKey, LayerKey, LayerVersionKey, Version};

/// Longest plain name of a function.
pub const FUNCTION_NAME_LEN_MAX: usize = 64;

/// A function's name as a caller gave it, taken apart: `NAME`, `NAME:QUALIFIER`,
/// `ACCOUNT:function:NAME`, or an ARN, each with or without a qualifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionName {
    /// The region, where named.
    pub region: Option<String>,
    /// The account, where named.
    pub account: Option<String>,
    /// The plain name.
    pub name: String,
    /// What stands behind the name.
    pub qualifier: Option<String>,
}

impl FunctionName {
    /// Takes a name apart that fits the model's pattern.
    pub fn parse(text: &str) -> Self {
        let mut rest = text;
        if text.starts_with("arn:") {
            rest = text.splitn(4, ':').nth(3).unwrap_or(text); // behind `arn:aws:lambda:`
        }
        let region = take(&mut rest, |part| part.contains('-') && is_region(part));
        let account = take(&mut rest, |part| AccountId::from_str(part).is_ok());
        take(&mut rest, |part| part == "function");
        let (name, qualifier) = match rest.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier.to_owned())),
            None => (rest, None),
        };
        Self { region, account, name: name.to_owned(), qualifier }
    }

    /// The function that is meant by a caller in `account` and `region`.
    ///
    /// # Errors
    /// When the name is too long or of another region.
    pub fn key(&self, account: &AccountId, region: &Region) -> Result<FunctionKey, Refusal> {
        if let Some(other) = self.region.as_deref().filter(|other| *other != region.as_str()) {
            return Err(Refusal::ResourceNotFound(format!(
                "Functions from '{other}' are not reachable in this region ('{region}')"
            )));
        }
        if self.name.len() > FUNCTION_NAME_LEN_MAX {
            let constraint = "Member must have length less than or equal to 64";
            return Err(Refusal::constraint(&self.name, "functionName", constraint));
        }
        let named = self.account.as_deref().and_then(|account| account.parse().ok());
        Ok(FunctionKey::new(named.as_ref().unwrap_or(account), region, &self.name))
    }
}

/// Takes the part before the first colon from `rest` if it is wanted and something follows.
fn take(rest: &mut &str, wanted: impl Fn(&str) -> bool) -> Option<String> {
    let (part, behind) = rest.split_once(':')?;
    if behind.is_empty() || !wanted(part) {
        return None;
    }
    *rest = behind;
    Some(part.to_owned())
}

/// `us-east-1`, `us-gov-west-1`, …: letters, at least one more word, one digit.
fn is_region(text: &str) -> bool {
    let mut words = text.split('-');
    let first = words.next().unwrap_or_default();
    let last = text.rsplit('-').next().unwrap_or_default();
    first.len() == 2
        && first.bytes().all(|byte| byte.is_ascii_lowercase())
        && last.len() == 1
        && last.bytes().all(|byte| byte.is_ascii_digit())
        && text.split('-').count() >= 3
}

/// The function and the qualifier that a caller means by a name and a `Qualifier` member.
///
/// # Errors
/// When both name a qualifier and they differ, or the function is of another region.
pub fn function_and_qualifier(
    account: &AccountId,
    region: &Region,
    name: &str,
    qualifier: Option<&str>,
) -> Result<(FunctionKey, Option<String>), Refusal> {
    let parsed = FunctionName::parse(name);
    let key = parsed.key(account, region)?;
    match (parsed.qualifier, qualifier) {
        (Some(inner), Some(outer)) if inner != outer => Err(Refusal::invalid(
            "The derived qualifier from the function name does not match the specified qualifier.",
        )),
        (inner, outer) => Ok((key, outer.map(str::to_owned).or(inner))),
    }
}

/// What a qualifier names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Qualifier {
    /// `$LATEST` or a number.
    Version(Version),
    /// Anything else.
    Alias(String),
}

impl Qualifier {
    /// Tells versions from aliases.
    pub fn parse(text: &str) -> Self {
        match text.parse() {
            Ok(version) => Self::Version(version),
            Err(()) => Self::Alias(text.to_owned()),
        }
    }
}

/// The layer that a caller means by a plain name or an ARN. A layer's ARN with a version behind
/// it names the layer.
///
/// # Errors
/// When the ARN is of another region.
pub fn layer_key(account: &AccountId, region: &Region, name: &str) -> Result<LayerKey, Refusal> {
    let Some(parts) = layer_arn_parts(name) else {
        return Ok(LayerKey::new(account, region, name));
    };
    if parts.region != region.as_str() {
        return Err(Refusal::ResourceNotFound(format!(
            "Layers from '{}' are not reachable in this region ('{region}')",
            parts.region
        )));
    }
    let owner = parts.account.parse().unwrap_or_else(|_| account.clone());
    Ok(LayerKey::new(&owner, region, parts.name))
}

/// The layer version behind an ARN; `None` when it is no such ARN.
pub fn layer_version_key(arn: &str) -> Option<LayerVersionKey> {
    let parts = layer_arn_parts(arn)?;
    let layer =
        LayerKey::new(&parts.account.parse().ok()?, &parts.region.parse().ok()?, parts.name);
    Some(LayerVersionKey { layer, version: parts.version?.parse().ok()? })
}

struct LayerArnParts<'a> {
    region: &'a str,
    account: &'a str,
    name: &'a str,
    version: Option<&'a str>,
}

fn layer_arn_parts(arn: &str) -> Option<LayerArnParts<'_>> {
    let mut parts = arn.split(':');
    let head = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, kind, name) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (version, end) = (parts.next(), parts.next());
    let fits = head.0 == "arn" && head.2 == "lambda" && kind == "layer" && end.is_none();
    fits.then_some(LayerArnParts { region, account, name, version })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (Option<String>, Option<String>, String, Option<String>) {
        let name = FunctionName::parse(text);
        (name.region, name.account, name.name, name.qualifier)
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_function_may_be_named_in_every_form() {
        let plain = "my-function".to_owned();
        assert_eq!(parts("my-function"), (None, None, plain.clone(), None));
        assert_eq!(parts("my-function:v1"), (None, None, plain.clone(), some("v1")));
        assert_eq!(parts("function:my-function"), (None, None, plain.clone(), None));
        let account = some("123456789012");
        let partial = "123456789012:function:my-function";
        assert_eq!(parts(partial), (None, account.clone(), plain.clone(), None));
        let short = "123456789012:my-function:$LATEST";
        assert_eq!(parts(short), (None, account.clone(), plain.clone(), some("$LATEST")));
        let arn = "arn:aws:lambda:us-gov-west-1:123456789012:function:my-function:7";
        assert_eq!(parts(arn), (some("us-gov-west-1"), account, plain, some("7")));
    }

    #[test]
    fn words_that_could_be_prefixes_may_be_names() {
        assert_eq!(parts("function"), (None, None, "function".into(), None));
        assert_eq!(parts("123456789012"), (None, None, "123456789012".into(), None));
        assert_eq!(parts("us-east-1"), (None, None, "us-east-1".into(), None));
    }

    #[test]
    fn two_qualifiers_must_agree() {
        let (account, region) = (AccountId::default(), Region::default());
        let both = |name, qualifier| function_and_qualifier(&account, &region, name, qualifier);
        assert_eq!(both("f:1", None).unwrap().1, some("1"));
        assert_eq!(both("f", Some("1")).unwrap().1, some("1"));
        assert_eq!(both("f:1", Some("1")).unwrap().1, some("1"));
        assert_eq!(
            both("f:1", Some("2")),
            Err(Refusal::invalid(
                "The derived qualifier from the function name does not match the specified \
                 qualifier."
            ))
        );
    }

    #[test]
    fn a_function_of_another_region_is_not_reachable() {
        let arn = "arn:aws:lambda:eu-west-1:000000000000:function:f";
        let refused =
            FunctionName::parse(arn).key(&AccountId::default(), &Region::default()).unwrap_err();
        let text = "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')";
        assert_eq!(refused, Refusal::ResourceNotFound(text.into()));
    }

    #[test]
    fn a_name_longer_than_64_letters_is_refused() {
        let long = FunctionName::parse(&"x".repeat(65));
        assert!(matches!(
            long.key(&AccountId::default(), &Region::default()),
            Err(Refusal::Validation(text)) if text.contains("less than or equal to 64")
        ));
    }

    #[test]
    fn a_layer_is_named_plainly_or_by_arn() {
        let (account, region) = (AccountId::default(), Region::default());
        let plain = layer_key(&account, &region, "deps").unwrap();
        let arn = "arn:aws:lambda:us-east-1:000000000000:layer:deps";
        assert_eq!(layer_key(&account, &region, arn).unwrap(), plain);
        let key = layer_version_key(&format!("{arn}:3")).unwrap();
        assert_eq!((key.layer, key.version), (plain, 3));
        assert_eq!(layer_version_key(arn), None);
        assert_eq!(layer_version_key("deps:3"), None);
    }
}
