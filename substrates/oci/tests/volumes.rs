//! Volumes that images want, and what is in them from the beginning.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)] // as tests do

mod house;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use haar_images::OciLayout;
use haar_images::build::{self, Compression};
use haar_substrate::{
    ContainerSpec, ExecSpec, ImageConfig, ImageId, ImageRef, ImageStore as _, Mount, Root,
    SandboxId, Substrate, SubstrateError, Volume, VolumeSource,
};
use haar_substrate_oci::OciSubstrate;
use house::{House, container, text};

/// An image that wants `/var/data`, which it has, and `/new`, which it has not.
async fn image(house: &House) -> ImageId {
    let layer = build::busybox().unwrap();
    let layer = layer.dir("var/data/", 0o750).dir("var/data/sub/", 0o700);
    let layer = layer.file("var/data/seed", 0o640, b"from the image\n");
    let layer = layer.file("var/data/sub/deep", 0o600, b"deep\n");
    let layer = layer.symlink("var/data/link", "seed").symlink("var/data/away", "/etc/passwd");
    pull(house, "volumes", layer).await
}

/// An image whose volume takes a while to be filled.
async fn full(house: &House) -> ImageId {
    let mut layer = build::busybox().unwrap().dir("var/data/", 0o755);
    for number in 0..2_000 {
        layer = layer.file(&format!("var/data/{number}"), 0o644, b"one of many");
    }
    pull(house, "full", layer).await
}

/// A container of that image, whose start takes as long.
fn slow(house: &House, full: &ImageId) -> ContainerSpec {
    let slow = container(house, "slow", "exec sleep 1000");
    // so its volume is a copy
    ContainerSpec { root: Root::Image(full.clone()), read_only_root: true, ..slow }
}

async fn pull(house: &House, name: &str, layer: build::Layer) -> ImageId {
    let config = ImageConfig {
        entrypoint: vec!["sh".into(), "-c".into()],
        volumes: vec!["/var/data/".into(), "/new".into(), "/../etc".into()],
        ..ImageConfig::default()
    };
    let layout = tempfile::tempdir().unwrap();
    build::layout(layout.path(), &config, &[(layer.finish(), Compression::None)]);
    let source = Arc::new(OciLayout::new(layout.path()));
    let store = house.config.images.as_ref().unwrap();
    store.pull(&ImageRef(format!("{name}:latest")), "latest", source).await.unwrap()
}

async fn said(substrate: &OciSubstrate, id: &SandboxId, spec: ContainerSpec) -> String {
    let name = spec.name.clone();
    substrate.start(id, spec).await.unwrap();
    let code = substrate.wait(id, &name).await.unwrap().code;
    let said = text(substrate, id, &name).await;
    assert_eq!(code, Some(0), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_image_wants_as_a_volume_can_be_written_and_holds_what_it_has_there() {
    let Some(house) = House::new().await else { return };
    let own_users = house.has("user namespaces");
    let image = image(&house).await;
    let of = |name: &str, script: &str, own_users| ContainerSpec {
        root: Root::Image(image.clone()),
        own_users,
        ..container(&house, name, script)
    };
    let look = "set -e; cd /var/data; stat -c %a:%u . sub seed sub/deep; cat seed sub/deep link; \
        readlink away; touch new; touch /new/x; stat -c %a /new";
    let seen =
        "750:0\n700:0\n640:0\n600:0\nfrom the image\ndeep\nfrom the image\n/etc/passwd\n755\n";
    house.crash(async |substrate| {
        for (name, own_users) in [("plain", false), ("owned", own_users)] {
            let id = substrate.ensure(house.task(name).0).await.unwrap().id;
            assert_eq!(said(substrate, &id, of("open", look, own_users)).await, seen);
            // what nothing else can be written in
            let mut sealed = of("sealed", look, own_users);
            sealed.read_only_root = true;
            assert_eq!(said(substrate, &id, sealed).await, seen);
            // nor is it another container's
            let mut other = of("other", "ls /var/data", own_users);
            other.read_only_root = true;
            assert_eq!(said(substrate, &id, other).await, "away\nlink\nseed\nsub\n");
            substrate.remove(&id, Duration::ZERO).await.unwrap();
        }
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_in_the_place_of_an_images_begins_with_its_content_once() {
    let Some(house) = House::new().await else { return };
    let own_users = house.has("user namespaces");
    let image = image(&house).await;
    house.crash(async |substrate| {
        for (name, size_bytes) in [("bounded", Some(16 << 20)), ("plain", None)] {
            let (mut spec, _) = house.task(name);
            let source = VolumeSource::Empty { size_bytes };
            spec.volumes = ["data", "elsewhere"]
                .map(|name| Volume { name: name.into(), source: source.clone() })
                .into();
            let id = substrate.ensure(spec).await.unwrap().id;
            let with = |name: &str, script: &str, mounts: &[(&str, &str, bool)]| ContainerSpec {
                root: Root::Image(image.clone()),
                own_users,
                mounts: mounts
                    .iter()
                    .map(|(name, target, read_only)| Mount::Volume {
                        name: (*name).into(),
                        target: (*target).into(),
                        read_only: *read_only,
                    })
                    .collect(),
                ..container(&house, name, script)
            };
            let first = "cat /var/data/seed && stat -c %a /var/data && touch /var/data/x; ls /e";
            let first =
                with("first", first, &[("data", "/var/data/", true), ("elsewhere", "/e", false)]);
            substrate.start(&id, first).await.unwrap();
            substrate.wait(&id, "first").await.unwrap();
            let told = text(substrate, &id, "first").await;
            assert!(told.starts_with("from the image\n750\n"), "{told}");
            assert!(told.contains("Read-only") && told.lines().count() == 3, "{told}");
            // it is not filled again, and another finds it elsewhere
            let change = with("change", "rm /d/seed; echo own >/d/own", &[("data", "/d", false)]);
            said(substrate, &id, change).await;
            let last = with("last", "ls /var/data", &[("data", "/var/data", false)]);
            assert_eq!(said(substrate, &id, last).await, "away\nlink\nown\nsub\n");
            substrate.remove(&id, Duration::ZERO).await.unwrap();
        }
    });
    house.until_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_is_stopped_before_its_start_has_its_turn_does_not_start() {
    let Some(house) = House::new().await else { return };
    let full = full(&house).await;
    house.crash(async |substrate| {
        let (spec, _) = house.task("stopped");
        let id = substrate.ensure(spec).await.unwrap().id;
        let slow = slow(&house, &full);
        let clock = haar_clock::Clock::system();
        let others = async {
            clock.sleep(Duration::from_millis(50)).await;
            let late = substrate.start(&id, container(&house, "late", "exec sleep 1000"));
            let stop = async {
                clock.sleep(Duration::from_millis(20)).await;
                substrate.stop(&id, "late", Duration::from_secs(60)).await
            };
            let (started, stopped) = tokio::join!(late, stop);
            assert!(matches!(stopped, Err(SubstrateError::Gone(_))), "{stopped:?}");
            let Err(SubstrateError::Refused { reason, .. }) = &started else {
                panic!("{started:?}");
            };
            assert_eq!(reason, "it was stopped before it had started");
            // nor does whoever stops what has its turn hear that there is none
            let end = substrate.stop(&id, "slow", Duration::ZERO).await.unwrap();
            assert_eq!(end.exit.signal, Some(9));
        };
        let (slow, ()) = tokio::join!(substrate.start(&id, slow), others);
        slow.unwrap();
        let status = substrate.list().await.unwrap().remove(0);
        assert_eq!(status.containers.keys().collect::<Vec<_>>(), ["slow"]);
        assert!(status.containers["slow"].state.exit().is_some());
        // it may be asked for again
        let late = container(&house, "late", "exit 3");
        substrate.start(&id, late).await.unwrap();
        assert_eq!(substrate.wait(&id, "late").await.unwrap().code, Some(3));
        substrate.remove(&id, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}

/// A container whose directory's name begins so is being started.
fn has_begun(house: &House, name: &str) -> bool {
    let of = |dir: &std::path::Path| std::fs::read_dir(dir).into_iter().flatten().flatten();
    let sandboxes = house.config.state_dir.join("sandboxes");
    let mut all = of(&sandboxes).flat_map(|sandbox| of(&sandbox.path()));
    all.any(|entry| entry.file_name().to_string_lossy().starts_with(name))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_that_wait_for_one_that_takes_long_hold_up_nobody_else() {
    let Some(house) = House::new().await else { return };
    let full = full(&house).await;
    house.crash(async |substrate| {
        let other = substrate.ensure(house.task("other").0).await.unwrap().id;
        substrate.start(&other, container(&house, "main", "exec sleep 1000")).await.unwrap();
        let id = substrate.ensure(house.task("slow").0).await.unwrap().id;
        let clock = haar_clock::Clock::system();
        let has_started = AtomicBool::new(false);
        let begun = async || {
            while !has_begun(&house, "slow.") {
                clock.sleep(Duration::from_millis(1)).await;
            }
        };
        let late = async {
            begun().await;
            let names = (0..8).map(|number| format!("late{number}"));
            let late = names.map(|name| {
                let late = container(&house, &name, "exec sleep 1000");
                substrate.start(&id, late)
            });
            futures_util::future::join_all(late).await
        };
        let command = async {
            begun().await;
            clock.sleep(Duration::from_millis(20)).await; // the others have been asked for
            let command = substrate.exec(&other, "main", ExecSpec::new(&["true"])).await.unwrap();
            let exit = command.wait().await.unwrap();
            assert!(!has_started.load(SeqCst), "the command waited for the slow one");
            exit
        };
        let slow = async {
            substrate.start(&id, slow(&house, &full)).await.unwrap();
            has_started.store(true, SeqCst);
        };
        let ((), late, exit) = tokio::join!(slow, late, command);
        assert_eq!(exit.code, Some(0));
        late.into_iter().for_each(|started| drop(started.unwrap()));
        substrate.remove(&id, Duration::ZERO).await.unwrap();
        substrate.remove(&other, Duration::ZERO).await.unwrap();
    });
    house.until_nothing_is_left().await;
}
