//! The operations, by noun.

mod check;
mod pipe;
mod run;
mod tags;
mod update;

use haar_kernel::{Call, Listing};
use haar_wire::{AwsError, Operation};

use crate::refusal::bad_token;

/// Pipes of a page where the caller says nothing; also the most.
const PAGE_MAX: usize = 100;

fn listing<O: Operation>(call: &Call, input: &O::Input) -> Result<Listing, AwsError> {
    Listing::of(O::SCHEMA, call, input, PAGE_MAX, PAGE_MAX).map_err(bad_token)
}
