//! Keys of tables and indexes, and what an item must have for them.

use haar_dynamodb_contract::{ProjectionType, ScalarAttributeType};
use haar_wire::AwsError;
use serde::{Deserialize, Serialize};

use super::key_bytes::{push, spread};
use super::value::{Attr, Item, Kind};
use crate::refusal::{invalid, invalid_parameter};

/// Bytes of a partition key at most.
const HASH_BYTES_MAX: usize = 2048;

/// Bytes of a sort key at most.
const RANGE_BYTES_MAX: usize = 1024;

/// One attribute of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyPart {
    pub(crate) name: String,
    pub(crate) kind: ScalarAttributeType,
}

impl KeyPart {
    /// Its type among all types.
    pub(crate) fn kind(&self) -> Kind {
        match self.kind {
            ScalarAttributeType::S => Kind::S,
            ScalarAttributeType::N => Kind::N,
            ScalarAttributeType::B => Kind::B,
        }
    }
}

/// The key of a table or of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeySchema {
    pub(crate) hash: KeyPart,
    pub(crate) range: Option<KeyPart>,
    /// The partition key's attributes behind the first: global indexes alone have some.
    #[serde(default)]
    pub(crate) more_hashes: Vec<KeyPart>,
    /// The same of the sort key.
    #[serde(default)]
    pub(crate) more_ranges: Vec<KeyPart>,
}

/// What an index holds beside keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Projected {
    pub(crate) kind: ProjectionType,
    pub(crate) attributes: Vec<String>,
}

/// A key of an item: its attributes, and its bytes behind the table's id.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PrimaryKey {
    pub(crate) item: Item,
    pub(crate) bytes: Vec<u8>,
    /// Length of the partition's part in `bytes`.
    pub(crate) partition_len: usize,
}

impl KeySchema {
    /// The partition key's attributes.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = &KeyPart> {
        std::iter::once(&self.hash).chain(&self.more_hashes)
    }

    /// The sort key's attributes, if it has one.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = &KeyPart> {
        self.range.iter().chain(&self.more_ranges)
    }

    /// All attributes of the key.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &KeyPart> {
        self.hashes().chain(self.ranges())
    }

    /// True for the attributes of the key.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.parts().any(|part| part.name == name)
    }

    /// Bytes of a key; `None` where the item lacks a part or has it with another type.
    pub(crate) fn bytes(&self, item: &Item) -> Option<(Vec<u8>, usize)> {
        let mut partition = Vec::with_capacity(64);
        for hash in self.hashes() {
            push(&mut partition, typed(item, hash)?);
        }
        let mut bytes = Vec::with_capacity(partition.len() + 34);
        bytes.extend_from_slice(&spread(&partition));
        bytes.extend_from_slice(&partition);
        let partition_len = bytes.len();
        for range in self.ranges() {
            push(&mut bytes, typed(item, range)?);
        }
        Some((bytes, partition_len))
    }

    /// The key's attributes out of an item.
    pub(crate) fn of(&self, item: &Item) -> Item {
        let value = |part: &KeyPart| Some((part.name.clone(), item.get(&part.name)?.clone()));
        self.parts().filter_map(value).collect()
    }

    /// The key of an item that is to be written.
    pub(crate) fn of_item(&self, item: &Item) -> Result<PrimaryKey, AwsError> {
        for part in self.parts() {
            let Some(value) = item.get(&part.name) else {
                let text = format!("Missing the key {} in the item", part.name);
                return Err(invalid_parameter(text));
            };
            if value.kind() != part.kind() {
                return Err(invalid_parameter(format!(
                    "Type mismatch for key {} expected: {} actual: {}",
                    part.name,
                    part.kind().code(),
                    value.kind().code()
                )));
            }
        }
        self.primary(self.of(item))
    }

    /// A key that a request names; it has the key's attributes and nothing else.
    pub(crate) fn of_key(&self, key: Item) -> Result<PrimaryKey, AwsError> {
        let mismatch = || invalid("The provided key element does not match the schema");
        if key.len() != self.parts().count() {
            return Err(mismatch());
        }
        if self.parts().any(|part| typed(&key, part).is_none()) {
            return Err(mismatch());
        }
        self.primary(key)
    }

    fn primary(&self, item: Item) -> Result<PrimaryKey, AwsError> {
        for part in self.parts() {
            let Some(value) = item.get(&part.name) else { continue };
            if value.extent() == Some(0) {
                return Err(invalid(format!(
                    "One or more parameter values are not valid. The AttributeValue for a key \
                     attribute cannot contain an empty {} value. Key: {}",
                    word(value.kind()),
                    part.name
                )));
            }
        }
        self.check_sizes(&item)?;
        let mismatch = || invalid("The provided key element does not match the schema");
        let (bytes, partition_len) = self.bytes(&item).ok_or_else(mismatch)?;
        Ok(PrimaryKey { item, bytes, partition_len })
    }

    fn check_sizes(&self, item: &Item) -> Result<(), AwsError> {
        if let Some(hash) = item.get(&self.hash.name) {
            check_hash_size(&[hash])?;
        }
        match self.range.as_ref().and_then(|range| item.get(&range.name)) {
            Some(range) => check_range_size(&[range]),
            None => Ok(()),
        }
    }

    /// What an index of the table asks of an item: keys of the right type, not empty. The attributes
    /// of a partition key, or of a sort key, share its bytes.
    pub(crate) fn check_index(&self, name: &str, item: &Item) -> Result<(), AwsError> {
        check_index_parts(name, item, self.hashes(), HASH_BYTES_MAX)?;
        check_index_parts(name, item, self.ranges(), RANGE_BYTES_MAX)
    }
}

fn check_index_parts<'k>(
    name: &str,
    item: &Item,
    parts: impl Iterator<Item = &'k KeyPart>,
    max: usize,
) -> Result<(), AwsError> {
    let mut total = 0;
    for part in parts {
        let Some(value) = item.get(&part.name) else { continue };
        if value.kind() != part.kind() {
            return Err(invalid_parameter(format!(
                "Type mismatch for Index Key {} Expected: {} Actual: {} IndexName: {name}",
                part.name,
                part.kind().code(),
                value.kind().code()
            )));
        }
        total += value.extent().unwrap_or(0);
        if total > max {
            return Err(invalid_parameter(format!(
                "Size limit exceeded for Index Key {} Actual Size: {total} bytes Max Size: \
                 {max} bytes IndexName: {name}",
                part.name
            )));
        }
        if value.extent() == Some(0) {
            return Err(invalid(format!(
                "One or more parameter values are not valid. A value specified for a \
                 secondary index key is not supported. The AttributeValue for a key attribute \
                 cannot contain an empty {} value. IndexName: {name}, IndexKey: {}",
                word(value.kind()),
                part.name
            )));
        }
    }
    Ok(())
}

/// Refuses a partition key whose attributes together are too long, also where nothing is written.
pub(crate) fn check_hash_size(values: &[&Attr]) -> Result<(), AwsError> {
    match total(values) > HASH_BYTES_MAX {
        true => Err(invalid_parameter(format!(
            "Size of hashkey has exceeded the maximum size limit of{HASH_BYTES_MAX} bytes"
        ))),
        false => Ok(()),
    }
}

/// Refuses a sort key whose attributes together are too long.
pub(crate) fn check_range_size(values: &[&Attr]) -> Result<(), AwsError> {
    match total(values) > RANGE_BYTES_MAX {
        true => Err(invalid_parameter(format!(
            "Aggregated size of all range keys has exceeded the size limit of {RANGE_BYTES_MAX} \
             bytes"
        ))),
        false => Ok(()),
    }
}

fn total(values: &[&Attr]) -> usize {
    values.iter().filter_map(|value| value.extent()).sum()
}

fn typed<'i>(item: &'i Item, part: &KeyPart) -> Option<&'i Attr> {
    item.get(&part.name).filter(|value| value.kind() == part.kind())
}

fn word(kind: Kind) -> &'static str {
    if kind == Kind::B { "binary" } else { "string" }
}
