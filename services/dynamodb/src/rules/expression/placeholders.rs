//! `#names` and `:values`, and which of them were used.

use std::collections::{BTreeMap, BTreeSet};

use haar_dynamodb_contract::AttributeValue;
use haar_wire::AwsError;

use super::super::value::Attr;
use crate::convert;
use crate::refusal::invalid;

/// The placeholders of one request.
#[derive(Debug, Default)]
pub(crate) struct Placeholders {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, Attr>,
    used_names: BTreeSet<String>,
    used_values: BTreeSet<String>,
}

/// A request's expressions by their parameters' names, for who brings placeholders without one.
pub(crate) type Given<'a> = [(&'static str, Option<&'a str>)];

impl Placeholders {
    /// Reads the placeholders of a request. `with_names` and `with_values` are the expressions
    /// that may use either.
    pub(crate) fn read(
        names: Option<BTreeMap<String, String>>,
        values: Option<BTreeMap<String, AttributeValue>>,
        with_names: &Given<'_>,
        with_values: &Given<'_>,
    ) -> Result<Self, AwsError> {
        let none_of = |given: &Given<'_>| given.iter().all(|(_, text)| text.is_none());
        let mut placeholders = Self::default();
        if let Some(names) = names {
            if none_of(with_names) {
                return Err(invalid(
                    "ExpressionAttributeNames can only be specified when using expressions",
                ));
            }
            check_names(&names)?;
            placeholders.names = names;
        }
        if let Some(values) = values {
            if none_of(with_values) {
                return Err(invalid(format!(
                    "ExpressionAttributeValues can only be specified when using expressions: {}",
                    are_null(with_values)
                )));
            }
            placeholders.values = read_values(values)?;
        }
        Ok(placeholders)
    }

    /// The attribute that a `#name` stands for.
    pub(super) fn name(&mut self, key: &str) -> Result<String, String> {
        let name = self.names.get(key).cloned().ok_or_else(|| {
            format!(
                "An expression attribute name used in the document path is not defined; attribute \
                 name: {key}"
            )
        })?;
        self.used_names.insert(key.to_owned());
        Ok(name)
    }

    /// The value that a `:value` stands for.
    pub(super) fn value(&mut self, key: &str) -> Result<Attr, String> {
        let value = self.values.get(key).cloned().ok_or_else(|| {
            format!(
                "An expression attribute value used in expression is not defined; attribute \
                 value: {key}"
            )
        })?;
        self.used_values.insert(key.to_owned());
        Ok(value)
    }

    /// Refuses placeholders that nothing used.
    pub(crate) fn check_all_used(&self) -> Result<(), AwsError> {
        let unused = |all: Vec<&String>, used: &BTreeSet<String>| {
            let rest: Vec<&str> =
                all.into_iter().filter(|key| !used.contains(*key)).map(String::as_str).collect();
            (!rest.is_empty()).then(|| rest.join(", "))
        };
        let text = "unused in expressions: keys";
        if let Some(keys) = unused(self.names.keys().collect(), &self.used_names) {
            let what = "Value provided in ExpressionAttributeNames";
            return Err(invalid(format!("{what} {text}: {{{keys}}}")));
        }
        if let Some(keys) = unused(self.values.keys().collect(), &self.used_values) {
            let what = "Value provided in ExpressionAttributeValues";
            return Err(invalid(format!("{what} {text}: {{{keys}}}")));
        }
        Ok(())
    }
}

fn check_names(names: &BTreeMap<String, String>) -> Result<(), AwsError> {
    if names.is_empty() {
        return Err(invalid("ExpressionAttributeNames must not be empty"));
    }
    if let Some(key) = names.keys().find(|key| !is_placeholder(key, '#')) {
        return Err(invalid(format!(
            "ExpressionAttributeNames contains invalid key: Syntax error; key: \"{key}\""
        )));
    }
    match names.iter().find(|(_, name)| name.is_empty()) {
        Some((key, _)) => Err(invalid(format!(
            "ExpressionAttributeNames contains invalid value: Empty attribute name; key: {key}"
        ))),
        None => Ok(()),
    }
}

fn read_values(
    values: BTreeMap<String, AttributeValue>,
) -> Result<BTreeMap<String, Attr>, AwsError> {
    if values.is_empty() {
        return Err(invalid("ExpressionAttributeValues must not be empty"));
    }
    if let Some(key) = values.keys().find(|key| !is_placeholder(key, ':')) {
        return Err(invalid(format!(
            "ExpressionAttributeValues contains invalid key: Syntax error; key: \"{key}\""
        )));
    }
    let mut read = BTreeMap::new();
    for (key, value) in values {
        let value = convert::attr(value).map_err(|error| {
            invalid(format!(
                "ExpressionAttributeValues contains invalid value: {} for key {key}",
                error.message()
            ))
        })?;
        read.insert(key, value);
    }
    Ok(read)
}

fn is_placeholder(key: &str, mark: char) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    key.strip_prefix(mark).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(legal))
}

fn are_null(given: &Given<'_>) -> String {
    let names: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
    match names[..] {
        [one] => format!("{one} is null"),
        _ => format!("{} are null", names.join(" and ")),
    }
}
