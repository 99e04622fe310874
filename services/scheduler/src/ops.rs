//! The operations, by noun.

mod group;
mod schedule;
mod tags;

use haar_kernel::{Call, Listing};
use haar_wire::{AwsError, Operation};

use crate::refusal::bad_token;

/// Items of a page where the caller says nothing; also the most.
const PAGE_MAX: usize = 100;

fn listing<O: Operation>(call: &Call, input: &O::Input) -> Result<Listing, AwsError> {
    Listing::of(O::SCHEMA, call, input, PAGE_MAX, PAGE_MAX).map_err(bad_token)
}
