//! The helper process alone, for this crate's own tests; `haar spawnd` runs the same.

use std::process::ExitCode;

fn main() -> ExitCode {
    haar_substrate_oci::spawnd_main(std::env::args().skip(2))
}
