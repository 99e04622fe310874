//! Keys, indexes and throughput as requests define them.

use std::collections::BTreeSet;

use haar_dynamodb_contract::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, Projection, ProjectionType,
    ProvisionedThroughput, ScalarAttributeType,
};
use haar_wire::AwsError;

use super::schema::{KeyPart, KeySchema, Projected};
use crate::refusal::{invalid, invalid_parameter};

/// Attributes of the same index that are projected beside keys at most, over all indexes.
const PROJECTED_MAX: usize = 100;

/// Attributes of a partition key, or of a sort key, at most.
const KEY_ATTRIBUTES_MAX: usize = 4;

/// Defined attributes by name.
pub(crate) type Attributes = Vec<(String, ScalarAttributeType)>;

/// Refuses a name that tables and indexes cannot have.
pub(crate) fn check_name(name: &str) -> Result<(), AwsError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    match (3..=255).contains(&name.len()) && name.bytes().all(legal) {
        true => Ok(()),
        false => Err(invalid(
            "Invalid table/index name.  Table/index names must be between 3 and 255 characters \
             long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'",
        )),
    }
}

/// Reads definitions.
pub(crate) fn attributes(definitions: Vec<AttributeDefinition>) -> Result<Attributes, AwsError> {
    let mut names = BTreeSet::new();
    let all: Attributes =
        definitions.into_iter().map(|one| (one.attribute_name, one.attribute_type)).collect();
    match all.iter().find(|(name, _)| !names.insert(name.clone())) {
        Some((name, _)) => Err(invalid_parameter(format!(
            "Duplicate AttributeName in AttributeDefinitions: {name}"
        ))),
        None => Ok(all),
    }
}

/// Reads the key of a table or of a local index.
pub(crate) fn keys(
    elements: &[KeySchemaElement],
    attributes: &Attributes,
) -> Result<KeySchema, AwsError> {
    match elements {
        [first, second] if [first, second].iter().all(|one| one.key_type == KeyType::Hash) => {
            Err(wrong_keys("The second KeySchemaElement is not a RANGE key type"))
        }
        [_] | [_, _] => global_keys(elements, attributes),
        _ => Err(wrong_keys("Some index key attribute have no definition")),
    }
}

/// Reads the key of a global index: up to four attributes of the partition key come first, then up
/// to four of the sort key. AWS docs: *Developer Guide > Multi-attribute keys pattern*; the words
/// for too many and for another order are *ours*.
pub(crate) fn global_keys(
    elements: &[KeySchemaElement],
    attributes: &Attributes,
) -> Result<KeySchema, AwsError> {
    let count = elements.iter().take_while(|one| one.key_type == KeyType::Hash).count();
    let (hashes, ranges) = elements.split_at(count);
    let [hash, more_hashes @ ..] = hashes else {
        return Err(wrong_keys("The first KeySchemaElement is not a HASH key type"));
    };
    if ranges.iter().any(|one| one.key_type != KeyType::Range) {
        return Err(wrong_keys("HASH key types come before RANGE key types"));
    }
    if hashes.len().max(ranges.len()) > KEY_ATTRIBUTES_MAX {
        let text = format!("A key has {KEY_ATTRIBUTES_MAX} attributes of each key type at most");
        return Err(wrong_keys(&text));
    }
    let names: BTreeSet<&str> = elements.iter().map(|one| one.attribute_name.as_str()).collect();
    if names.len() != elements.len() {
        return Err(invalid(
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ));
    }
    let part = |element: &KeySchemaElement| {
        let found = attributes.iter().find(|(name, _)| *name == element.attribute_name);
        let part = found.map(|(name, kind)| KeyPart { name: name.clone(), kind: *kind });
        part.ok_or_else(|| undefined(elements, attributes))
    };
    Ok(KeySchema {
        hash: part(hash)?,
        range: ranges.first().map(part).transpose()?,
        more_hashes: more_hashes.iter().map(part).collect::<Result<_, _>>()?,
        more_ranges: ranges.iter().skip(1).map(part).collect::<Result<_, _>>()?,
    })
}

fn wrong_keys(why: &str) -> AwsError {
    invalid(format!("Invalid KeySchema: {why}"))
}

fn undefined(elements: &[KeySchemaElement], attributes: &Attributes) -> AwsError {
    let keys: Vec<&str> = elements.iter().map(|one| one.attribute_name.as_str()).collect();
    let defined: Vec<&str> = attributes.iter().map(|(name, _)| name.as_str()).collect();
    invalid_parameter(format!(
        "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], \
         AttributeDefinitions: [{}]",
        keys.join(", "),
        defined.join(", ")
    ))
}

/// Refuses attributes that no key uses.
pub(crate) fn check_used<'k>(
    attributes: &Attributes,
    all: impl Iterator<Item = &'k KeySchema>,
    has_indexes: bool,
) -> Result<(), AwsError> {
    let used: BTreeSet<&str> =
        all.flat_map(KeySchema::parts).map(|part| part.name.as_str()).collect();
    if attributes.iter().all(|(name, _)| used.contains(name.as_str())) {
        return Ok(());
    }
    if !has_indexes {
        return Err(invalid_parameter(
            "Number of attributes in KeySchema does not exactly match number of attributes \
             defined in AttributeDefinitions",
        ));
    }
    let defined: Vec<&str> = attributes.iter().map(|(name, _)| name.as_str()).collect();
    Err(invalid_parameter(format!(
        "Some AttributeDefinitions are not used. AttributeDefinitions: [{}], keys used: [{}]",
        defined.join(", "),
        used.into_iter().collect::<Vec<_>>().join(", ")
    )))
}

/// Reads what an index projects.
pub(crate) fn projected(projection: Projection) -> Result<Projected, AwsError> {
    let Projection { projection_type, non_key_attributes } = projection;
    let kind = projection_type.ok_or_else(|| invalid_parameter("Unknown ProjectionType: null"))?;
    let attributes = match (kind, non_key_attributes) {
        (ProjectionType::Include, Some(attributes)) => attributes,
        (ProjectionType::Include, None) => {
            return Err(invalid_parameter(
                "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
            ));
        }
        (_, Some(_)) => {
            return Err(invalid_parameter(format!(
                "ProjectionType is {kind}, but NonKeyAttributes is specified"
            )));
        }
        (_, None) => Vec::new(),
    };
    Ok(Projected { kind, attributes })
}

/// Refuses projections of more attributes than a table's indexes may have together.
pub(crate) fn check_projected<'p>(
    all: impl Iterator<Item = &'p Projected>,
) -> Result<(), AwsError> {
    let count: usize = all.map(|projected| projected.attributes.len()).sum();
    match count > PROJECTED_MAX {
        true => Err(invalid_parameter(format!(
            "Number of projected attributes over all indexes of a table must not exceed \
             {PROJECTED_MAX}"
        ))),
        false => Ok(()),
    }
}

/// Provisioned units of a table (`index` is `None`) or of an index, as its mode asks for them.
pub(crate) fn throughput(
    mode: BillingMode,
    given: Option<ProvisionedThroughput>,
    index: Option<&str>,
) -> Result<(i64, i64), AwsError> {
    match (mode, given, index) {
        (BillingMode::PayPerRequest, None, _) => Ok((0, 0)),
        (BillingMode::Provisioned, Some(given), _) => {
            Ok((given.read_capacity_units, given.write_capacity_units))
        }
        (BillingMode::PayPerRequest, Some(_), None) => Err(invalid_parameter(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode \
             is PAY_PER_REQUEST",
        )),
        (BillingMode::PayPerRequest, Some(_), Some(index)) => Err(invalid_parameter(format!(
            "ProvisionedThroughput should not be specified for index: {index} when BillingMode is \
             PAY_PER_REQUEST"
        ))),
        (BillingMode::Provisioned, None, None) => Err(invalid_parameter(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is \
             PROVISIONED",
        )),
        (BillingMode::Provisioned, None, Some(index)) => Err(invalid_parameter(format!(
            "ProvisionedThroughput must be specified for index: {index}"
        ))),
    }
}
