//! Amazon EC2's networks: VPCs, subnets, security groups, routes, gateways, interfaces.
//!
//! All of it is control state. What gives it effect is in other rooms: a task's interface is
//! made through [`haar_ec2_contract::peek::Ec2Peek`], and its address and the rules of its
//! groups are carried into the task's network by whoever runs the task. Route tables, ACLs,
//! gateways and endpoints are kept and shown; haar's host routes for all of them.
//!
//! **Invariant:** no two interfaces of a subnet hold one address, and none holds one of the
//! five that AWS keeps. **Invariant:** a default VPC is there from an account's first look at
//! a region on, under the same ids, whether anything was written yet or not.
//!
//! Begin reading at `world`, then `peek`.
//!
//! Source of behaviour: *Amazon VPC User Guide*, *Amazon EC2 API Reference*.

pub mod controllers;
mod interfaces;
mod lanes;
mod listing;
mod once;
mod ops;
mod peek;
mod refusal;
mod render;
mod room;
mod rules;
mod state;
mod world;

pub use state::tables;
pub use world::{ground, set_ground};

/// The room. It holds nothing; all is in the ledger.
#[derive(Debug)]
pub struct Ec2 {
    _private: (),
}

/// Every operation of the room, in its lane.
pub fn lanes(lanes: &mut haar_kernel::Lanes<Ec2>) {
    lanes::lanes(lanes);
}
