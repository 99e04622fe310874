//! The project's own chores: `cargo xtask gen | tidy | coverage | check`.
fn main() {}
