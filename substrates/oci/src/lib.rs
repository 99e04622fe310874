//! The embedded runtime: namespaces, cgroups, overlayfs, no daemon.
//!
//! Two halves in one binary. [`OciSubstrate`] lives in the server and only talks.
//! [`spawnd_main`] is the persistent helper process: it starts, holds and reaps everything,
//! keeps pools of prepared sandboxes, and outlives the server as long as a sandbox does that
//! shall. Between them is one seqpacket socket over which descriptors travel.
//!
//! **Invariant:** nothing that runs outlives the helper; what has [`Lifetime::Server`] does
//! not outlive the server either. **Invariant:** the helper sees no room, no account, no ARN.
//!
//! Begin with `spawnd/shell.rs` (what a sandbox is made of), then `spawnd/child.rs` (what
//! happens between clone and exec).
//!
//! [`Lifetime::Server`]: haar_substrate::Lifetime::Server

#![allow(unsafe_code)] // system calls that no safe crate offers, and the child after clone
#![allow(clippy::disallowed_methods)] // starts processes; the helper has no simulated time

mod bpf;
mod cgroup;
mod client;
mod code;
mod ground;
mod kept;
mod probe;
mod proto;
mod socket;
mod spawnd;
mod steer;
mod sys;

pub use client::{OciConfig, OciSubstrate};
pub use code::unmap_idle_code;
pub use ground::{Ground, claim};
pub use spawnd::spawnd_main;

/// What this host allows, asked without starting anything; `instance` as in [`OciConfig`].
pub fn capabilities(instance: &str) -> haar_substrate::Capabilities {
    probe::probe(&cgroup::Cgroups::detect(instance))
}

/// What this host cannot, in a line for the operator; none where all kinds of work can run.
pub fn warning(capabilities: &haar_substrate::Capabilities) -> Option<String> {
    if !capabilities.usable {
        return Some(probe::why_unusable(capabilities));
    }
    let lacks =
        |note: &str| capabilities.findings.iter().any(|one| !one.present && one.note == note);
    lacks(probe::NO_NETWORK).then(|| probe::NO_NETWORK.to_owned())
}

/// Instances of servers whose helper was killed and that have control groups left on this host;
/// nobody lives to use them.
pub fn leftovers() -> Vec<String> {
    spawnd::leftovers::find()
}

/// Removes what [`leftovers`] names where it is known that its helper is gone; answers whose it
/// was. The next helper that starts removes only what is left of those that had said that they
/// live.
pub fn remove_leftovers() -> Vec<String> {
    spawnd::leftovers::remove()
}

/// What the names of an instance's network interfaces have in common, for tests that count what
/// is left.
pub fn interface_tag(instance: &str) -> String {
    spawnd::interface_tag(instance)
}
