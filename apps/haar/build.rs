//! Says how the release binary is linked.

use std::env;
use std::process::Command;

/// The first version of the C library whose loader unpacks relative relocations.
const PACKED_SINCE: (u32, u32) = (2, 36);

#[allow(clippy::print_stdout)] // how cargo is told
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    if is_optimised() && links_by_default() {
        // Generated code is often the same for many types: it is kept once.
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
        if c_library().is_some_and(|version| version >= PACKED_SINCE) {
            // Addresses to be set at start take a bit each, not 24 bytes.
            println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        }
    }
}

fn is_optimised() -> bool {
    env::var("PROFILE").is_ok_and(|profile| profile == "release")
}

/// Whether the linker is the one that comes with Rust, which knows the options above.
fn links_by_default() -> bool {
    let is_own = env::var("TARGET").is_ok_and(|target| target == "x86_64-unknown-linux-gnu");
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    is_own && !flags.contains("linker") && !flags.contains("fuse-ld")
}

/// The version of this machine's C library, such as (2, 36).
#[allow(clippy::disallowed_methods)] // a build asks the machine it runs on
fn c_library() -> Option<(u32, u32)> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
