//! What of an item is to be answered.

use std::collections::BTreeMap;

use haar_wire::AwsError;

use crate::refusal::invalid_parameter;
use crate::rules::expression::{self, Placeholders, Projection};
use crate::rules::legacy;

/// The projection of a request that has no other expression.
pub(crate) fn projected(
    text: Option<&str>,
    names: Option<BTreeMap<String, String>>,
    attributes: Option<&Vec<String>>,
) -> Result<Option<Projection>, AwsError> {
    legacy::not_both(
        &[("AttributesToGet", attributes.is_some())],
        &[("ProjectionExpression", text.is_some())],
    )?;
    let mut placeholders = Placeholders::read(names, None, &[("ProjectionExpression", text)], &[])?;
    let projection =
        text.map(|text| expression::projection(text, &mut placeholders)).transpose()?;
    placeholders.check_all_used()?;
    match (projection, attributes) {
        (Some(projection), _) => Ok(Some(projection)),
        (None, Some(attributes)) => to_attributes(attributes).map(Some),
        (None, None) => Ok(None),
    }
}

/// `AttributesToGet`.
pub(super) fn to_attributes(attributes: &[String]) -> Result<Projection, AwsError> {
    let mut names: Vec<&String> = attributes.iter().collect();
    names.sort();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            Err(invalid_parameter(format!("Duplicate value in attribute name: {}", pair[0])))
        }
        None => Ok(Projection::to_attributes(attributes)),
    }
}
