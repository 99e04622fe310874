//! Images made by plain code, for tests and tours: no registry, no build tool.

#![allow(clippy::missing_panics_doc)] // what is made here is made in memory; files are a test's

use std::io::Write;
use std::path::Path;

use haar_substrate::ImageConfig;
use tar::{EntryType, Header};

use crate::archive::{CONFIG, LAYER, manifest};
use crate::digest;
use crate::document::{self, Descriptor};

/// Where Debian's `busybox-static` puts it.
pub const BUSYBOX: &str = "/bin/busybox";
/// What it is linked to in [`busybox`].
const APPLETS: [&str; 46] = [
    "sh", "ash", "cat", "chmod", "chown", "cp", "date", "dd", "df", "echo", "env", "false", "grep",
    "head", "hostname", "httpd", "id", "ifconfig", "ip", "kill", "ln", "ls", "mkdir", "mkfifo",
    "mknod", "mount", "mv", "nc", "nslookup", "ping", "printf", "ps", "pwd", "readlink", "rm",
    "route", "seq", "sleep", "stty", "touch", "true", "uname", "wc", "chroot", "sed", "tr",
];

/// A layer under construction.
pub struct Layer(tar::Builder<Vec<u8>>);

/// How a layer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    None,
    /// With gzip.
    Gzip,
    /// With zstd.
    Zstd,
}

impl Compression {
    /// What it adds to a layer's media type.
    fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => "+gzip",
            Self::Zstd => "+zstd",
        }
    }
}

impl Default for Layer {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer {
    /// An empty one.
    pub fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    /// Adds a directory.
    #[must_use]
    pub fn dir(self, path: &str, mode: u32) -> Self {
        self.entry(EntryType::Directory, path, (0, 0, mode), "", &[])
    }

    /// Adds a file of root's.
    #[must_use]
    pub fn file(self, path: &str, mode: u32, bytes: &[u8]) -> Self {
        self.entry(EntryType::Regular, path, (0, 0, mode), "", bytes)
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, to: &str) -> Self {
        self.entry(EntryType::Symlink, path, (0, 0, 0o777), to, &[])
    }

    /// Adds a hard link.
    #[must_use]
    pub fn hard_link(self, path: &str, to: &str) -> Self {
        self.entry(EntryType::Link, path, (0, 0, 0o644), to, &[])
    }

    /// Adds any entry: its kind, its owner, group and mode, what it links to, its bytes. Its path
    /// is written as it is, however bad.
    #[must_use]
    pub fn entry(
        mut self,
        kind: EntryType,
        path: &str,
        (uid, gid, mode): (u64, u64, u32),
        to: &str,
        bytes: &[u8],
    ) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_uid(uid);
        header.set_gid(gid);
        header.set_mode(mode);
        header.set_mtime(1_000_000_000);
        header.set_size(bytes.len() as u64);
        // the header's own setters refuse what tests need
        let gnu = header.as_gnu_mut().expect("made as one");
        gnu.name[..path.len()].copy_from_slice(path.as_bytes());
        gnu.linkname[..to.len()].copy_from_slice(to.as_bytes());
        header.set_cksum();
        self.0.append(&header, bytes).expect("memory takes all");
        self
    }

    /// Adds an extended attribute to the entry that comes next.
    #[must_use]
    pub fn xattr(mut self, name: &str, value: &[u8]) -> Self {
        let key = format!("SCHILY.xattr.{name}");
        self.0.append_pax_extensions([(key.as_str(), value)]).expect("memory takes all");
        self
    }

    /// The archive.
    pub fn finish(self) -> Vec<u8> {
        self.0.into_inner().expect("memory takes all")
    }
}

/// A root file system with a shell and the usual small tools, from the host's static busybox;
/// `None` where that is not installed.
pub fn busybox() -> Option<Layer> {
    let program = std::fs::read(BUSYBOX).ok()?;
    let mut layer = Layer::new().dir("bin/", 0o755).dir("etc/", 0o755).dir("tmp/", 0o1777);
    layer = layer.dir("root/", 0o700).file("bin/busybox", 0o755, &program);
    for applet in APPLETS {
        layer = layer.hard_link(&format!("bin/{applet}"), "bin/busybox");
    }
    let passwd = "root:x:0:0:root:/root:/bin/sh\nweb:x:101:102::/srv:/bin/sh\n";
    let layer = layer.file("etc/passwd", 0o644, passwd.as_bytes());
    Some(layer.file("etc/group", 0o644, b"root:x:0:\nweb:x:102:\nlogs:x:44:web\n"))
}

/// Writes an image layout with one image, tagged `latest`; answers the manifest's digest.
pub fn layout(dir: &Path, config: &ImageConfig, layers: &[(Vec<u8>, Compression)]) -> String {
    let blobs = dir.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).expect("the directory can be made");
    let put = |bytes: &[u8]| {
        let digest = digest::of(bytes);
        let name = digest::digits(&digest).expect("made a moment ago");
        std::fs::write(blobs.join(name), bytes).expect("the blob can be written");
        digest
    };
    let (os, architecture) = document::platform();
    let env: Vec<_> = config.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let nothing = || serde_json::json!({});
    let volumes: std::collections::BTreeMap<_, _> =
        config.volumes.iter().map(|path| (path.as_str(), nothing())).collect();
    let diff_ids: Vec<_> = layers.iter().map(|(layer, _)| digest::of(layer)).collect();
    let body = serde_json::json!({
        "os": os,
        "architecture": architecture,
        "config": {
            "Entrypoint": config.entrypoint, "Cmd": config.cmd, "Env": env,
            "WorkingDir": config.cwd, "User": config.user, "StopSignal": config.stop_signal,
            "Volumes": volumes,
        },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    })
    .to_string();
    let config = Descriptor::new(CONFIG, put(body.as_bytes()), body.len() as u64);
    let layers: Vec<_> = layers
        .iter()
        .map(|(layer, compression)| {
            let layer = compress(layer, *compression);
            let kind = format!("{LAYER}{}", compression.suffix());
            Descriptor::new(&kind, put(&layer), layer.len() as u64)
        })
        .collect();
    let manifest = manifest(&config, &layers).expect("texts are JSON");
    let digest = put(&manifest);
    let index = serde_json::json!({
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest,
            "size": manifest.len(),
            "annotations": { "org.opencontainers.image.ref.name": "latest" },
        }],
    });
    std::fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
        .and_then(|()| std::fs::write(dir.join("index.json"), index.to_string()))
        .expect("the index can be written");
    digest
}

fn compress(bytes: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::None => bytes.to_vec(),
        Compression::Gzip => {
            let level = flate2::Compression::fast();
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes all")
        }
        Compression::Zstd => zstd::encode_all(bytes, 1).expect("memory takes all"),
    }
}
