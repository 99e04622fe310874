//! Services without a room, of which the protocols' tests know some operations, so that every
//! protocol has been spoken to AWS's clients: `cargo xtask gen` makes them of `samples/`.

pub mod ec2;
