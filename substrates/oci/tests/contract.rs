//! The contract of all substrates, and what only this one promises: that nothing is left.
//!
//! Needs root; without, every test says so and passes.

#![allow(clippy::print_stdout)] // a test that is skipped says why

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use haar_substrate::Substrate;
use haar_substrate::contract;
use haar_substrate_oci::{OciConfig, OciSubstrate};
use tempfile::TempDir;

/// A substrate of its own for one test.
struct Bench {
    substrate: OciSubstrate,
    dir: TempDir,
}

fn config(dir: &Path) -> OciConfig {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    OciConfig {
        state_dir: dir.join("run"),
        instance: format!("test-{}-{number}", std::process::id()),
        spawnd_exe: env!("CARGO_BIN_EXE_haar-spawnd").into(),
    }
}

async fn bench() -> Option<Bench> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let substrate = OciSubstrate::start(config(dir.path())).await.expect("the helper starts");
    if !substrate.capabilities().usable {
        println!("skipped: {:?}", substrate.capabilities().findings);
        return None;
    }
    Some(Bench { substrate, dir })
}

macro_rules! contract {
    ($($check:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $check() {
            if let Some(bench) = bench().await {
                contract::$check(&bench.substrate).await;
            }
        })*
    };
}

contract! {
    ends_are_told
    missing_programs_are_refused
    verbs_can_be_repeated
    removal_lets_programs_finish
    processes_are_as_asked
    memory_is_limited
    fork_bombs_are_contained
    writing_is_limited
    the_host_is_hidden
    privileges_are_dropped
    freezing_stops_everything
    figures_are_told
    listeners_are_inside
    many_run_at_once
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mounts_show_their_sources() {
    if let Some(bench) = bench().await {
        contract::mounts_show_their_sources(&bench.substrate, bench.dir.path()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn warm_sandboxes_take_work() {
    if let Some(bench) = bench().await {
        contract::warm_sandboxes_take_work(&bench.substrate, bench.dir.path()).await;
    }
}
