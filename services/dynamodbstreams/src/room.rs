//! The room: its doors, and what the gate must know of its resources.

use std::sync::Arc;

use haar_dynamodb_contract::peek::StreamPeek;
use haar_dynamodbstreams_contract::model::SERVICE;
use haar_kernel::{Call, Doors, Room};
use haar_ledger::Snapshot;
use haar_wire::{AwsError, OperationSchema, ServiceSchema, Shape, text_member};

use crate::iterator::Place;
use crate::refusal::fault;

/// The room.
pub struct Streams {
    pub(crate) doors: Doors,
}

impl Streams {
    /// Opens the room. DynamoDB's must offer its streams before it is called.
    pub fn new(doors: &Doors) -> Self {
        Self { doors: doors.clone() }
    }

    /// Tables' streams.
    pub(crate) fn streams(&self) -> Result<Arc<dyn StreamPeek>, AwsError> {
        self.doors.peeks.get::<dyn StreamPeek>().ok_or_else(fault)
    }
}

impl Room for Streams {
    fn service(&self) -> &'static ServiceSchema {
        &SERVICE
    }

    /// An iterator stands for its stream.
    fn resources(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<String> {
        let iterator = text_member(input, "ShardIterator");
        let place = iterator.and_then(|text| Place::read(&text));
        vec![match place {
            Some(place) => place.stream_arn,
            None => haar_kernel::resource_of(operation, call, input),
        }]
    }
}
