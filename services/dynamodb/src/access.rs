//! Which resources a call is about, for its authorisation.

use haar_dynamodb_contract::model::SERVICE;
use haar_kernel::Room;
use haar_wire::ServiceSchema;

use crate::Dynamodb;

impl Room for Dynamodb {
    const SERVICE: &'static ServiceSchema = &SERVICE;
}
