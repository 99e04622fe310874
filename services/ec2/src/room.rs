//! The room: its doors, and what the gate must know.

use std::sync::Arc;

use haar_ec2_contract::model::SERVICE;
use haar_ec2_contract::peek::Ec2Peek;
use haar_kernel::{Call, Doors, Room};
use haar_ledger::Snapshot;
use haar_wire::{AwsError, OperationSchema, ServiceSchema, Shape, text_member};

use crate::Ec2;
use crate::listing::place_of;
use crate::peek::Peek;

impl Ec2 {
    /// Opens the room and offers its [`Ec2Peek`] to the others.
    pub fn new(doors: &Doors) -> Self {
        doors.peeks.offer::<dyn Ec2Peek>(Arc::new(Peek));
        Self { _private: () }
    }
}

impl Room for Ec2 {
    const SERVICE: &'static ServiceSchema = &SERVICE;

    fn admit(
        &self,
        _operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Result<(), AwsError> {
        if text_member(input, "DryRun").as_deref() == Some("true") {
            let text = "Request would have succeeded, but DryRun flag is set.";
            return Err(AwsError::new("DryRunOperation", 412, text));
        }
        Ok(())
    }

    /// The tags that a request gives or names, and those of what it is about.
    fn condition_keys(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<(String, Vec<String>)> {
        let mut keys = vec![("ec2:Region".to_owned(), vec![call.region.to_string()])];
        let json = haar_wire::to_json(input);
        let lists = json["TagSpecification"].as_array().into_iter().flatten();
        let given = lists.flat_map(|list| list["Tag"].as_array().into_iter().flatten());
        let mut names = Vec::new();
        for tag in given.chain(json["Tag"].as_array().into_iter().flatten()) {
            let (Some(key), value) = (tag["key"].as_str(), tag["value"].as_str()) else { continue };
            let value = value.unwrap_or_default().to_owned();
            keys.push((format!("aws:RequestTag/{key}"), vec![value]));
            names.push(key.to_owned());
        }
        if !names.is_empty() {
            keys.push(("aws:TagKeys".to_owned(), names));
        }
        let named = operation.resource.rsplit_once('{').map(|(_, name)| name.trim_end_matches('}'));
        let place = place_of(call);
        if let Some(id) = named.and_then(|name| text_member(input, name)) {
            let seen = crate::world::seen(snapshot, &place);
            for (key, value) in crate::ops::tags_of_id(&seen, &place, &id).unwrap_or_default() {
                keys.push((format!("aws:ResourceTag/{key}"), vec![value.clone()]));
                keys.push((format!("ec2:ResourceTag/{key}"), vec![value]));
            }
        }
        keys
    }
}
