//! Images that are brought in from the disk. What is unpacked belongs to others than its maker, so
//! these need root.

#![allow(clippy::unwrap_used)] // in what the tests share too

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haar_images::build::{Compression, Layer};
use haar_images::{Bounds, RootfsTar};
use haar_substrate::{ImageConfig, ImageError, ImageRef, ImageStore};
use support::House;

#[tokio::test]
async fn a_root_file_system_becomes_an_image() {
    let house = House::new(Bounds::default());
    let path = house.dir.path().join("rootfs.tar");
    fs::write(&path, Layer::new().file("hello", 0o644, b"hi").finish()).unwrap();
    let config = ImageConfig { cmd: vec!["/hello".into()], ..ImageConfig::default() };
    let source = Arc::new(RootfsTar::open(&path, &config).await.unwrap());
    let id = house.store.pull(&ImageRef("hello".into()), "latest", source).await.unwrap();
    let bundle = house.store.bundle(&id).unwrap();
    assert_eq!(bundle.image.config.cmd, ["/hello"]);
    assert_eq!(fs::read(bundle.layers[0].join("hello")).unwrap(), b"hi");
}

/// An archive as `docker save` writes it.
fn saved(dir: &Path, layer: &[u8]) -> PathBuf {
    let digest = |bytes: &[u8]| {
        use sha2::Digest as _;
        let hash = sha2::Sha256::digest(bytes);
        hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let config = format!(
        r#"{{"os":"linux","architecture":"amd64","config":{{"Cmd":["/x"]}},
        "rootfs":{{"type":"layers","diff_ids":["sha256:{}"]}}}}"#,
        digest(layer)
    );
    let list = r#"[{"Config":"c.json","RepoTags":["app:1"],"Layers":["l/layer.tar"]}]"#;
    let archive = Layer::new()
        .file("manifest.json", 0o644, list.as_bytes())
        .file("c.json", 0o644, config.as_bytes())
        .dir("l/", 0o755)
        .file("l/layer.tar", 0o644, layer);
    let path = dir.join("saved.tar");
    fs::write(&path, archive.finish()).unwrap();
    path
}

/// A layout as one archive, as `skopeo copy … oci-archive:` writes it.
fn packed(layout: &Path, to: &Path) -> PathBuf {
    let file = |name: &str| fs::read(layout.join(name)).unwrap();
    let mut archive = Layer::new()
        .file("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)
        .file("./index.json", 0o644, &file("index.json"))
        .dir("blobs/", 0o755)
        .dir("blobs/sha256/", 0o755);
    for entry in fs::read_dir(layout.join("blobs/sha256")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let name = format!("blobs/sha256/{name}");
        archive = archive.file(&name, 0o644, &file(&name));
    }
    fs::write(to, archive.finish()).unwrap();
    to.to_owned()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packer, bytes).unwrap();
    packer.finish().unwrap()
}

#[tokio::test]
async fn images_are_imported_from_every_form() {
    let house = House::new(Bounds::default());
    let layer = Layer::new().file("x", 0o755, b"x").finish();
    let (layout, _) = house.layout("layout", &[(layer.clone(), Compression::Gzip)]);
    let saved = saved(house.dir.path(), &layer);
    let root = house.dir.path().join("root.tar");
    fs::write(&root, &layer).unwrap();
    let packed = packed(&layout, &house.dir.path().join("layout.tar"));
    let small = house.dir.path().join("root.tar.gz");
    fs::write(&small, gzipped(&layer)).unwrap();
    let expected = [
        ("a:latest", &layout, ""),
        ("app:1", &saved, "/x"),
        ("b:2", &root, "/bin/sh"),
        ("c:latest", &packed, ""),
        ("d:1", &small, "/bin/sh"),
    ];
    for (name, path, cmd) in expected {
        let id = haar_images::import(&house.store, path, name).await.unwrap();
        let image = house.store.find(&id).await.unwrap();
        assert_eq!(image.references.last(), Some(&ImageRef(name.to_owned())));
        assert_eq!(image.imported_as, image.references);
        assert_eq!(image.config.cmd.concat(), cmd);
    }
    // the layout and its archive are the same image
    assert_eq!((house.store.list().await.unwrap().len(), house.layers()), (4, 1));
    // a layout's only image is meant, whatever it is called there
    let id = haar_images::import(&house.store, &layout, "e:7").await.unwrap();
    assert_eq!(house.store.find(&id).await.unwrap().references.last().unwrap().0, "e:7");
    let empty = house.dir.path().join("empty.tar");
    fs::write(&empty, Layer::new().finish()).unwrap();
    for path in [Path::new("/dev/null"), &empty] {
        let refused = haar_images::import(&house.store, path, "x:1").await;
        assert!(matches!(refused, Err(ImageError::Malformed(_))), "{refused:?}");
    }
    let nowhere = haar_images::import(&house.store, Path::new("/nowhere"), "x:1").await;
    assert!(matches!(nowhere, Err(ImageError::NotFound(_))));
}
