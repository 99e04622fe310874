//! The image that tasks run, and what brings it into a cloud.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use haar_images::build::{self, Compression, Layer};
use haar_substrate::ImageConfig;
use tokio::process::Command;

const PROGRAM: &str = include_str!("../inputs/task.c");

/// One small program, as an image's layer and as a bundle of the runtimes beside haar.
pub(crate) struct Small {
    pub(crate) folder: PathBuf,
}

impl Small {
    /// Compiles the program and lays it out below a folder.
    pub(crate) async fn make(folder: &Path) -> Result<Self, String> {
        let said = |error: std::io::Error| error.to_string();
        let (source, program) = (folder.join("task.c"), folder.join("rootfs/bin/task"));
        for name in ["bin", "proc", "sys", "dev"] {
            std::fs::create_dir_all(folder.join("rootfs").join(name)).map_err(said)?;
        }
        std::fs::write(&source, PROGRAM).map_err(said)?;
        let mut cc = Command::new("cc");
        cc.args(["-Os", "-static", "-s", "-o"]).arg(&program).arg(&source);
        run(&mut cc).await?;
        let bytes = std::fs::read(&program).map_err(said)?;
        let layer = Layer::new().dir("bin/", 0o755).dir("proc/", 0o755).dir("sys/", 0o755);
        let layer = layer.dir("dev/", 0o755).file("bin/task", 0o755, &bytes).finish();
        let config =
            ImageConfig { entrypoint: vec!["/bin/task".to_owned()], ..ImageConfig::default() };
        build::layout(&folder.join("layout"), &config, &[(layer, Compression::None)]);
        Ok(Self { folder: folder.to_owned() })
    }

    /// The same program outside of any container.
    pub(crate) fn program(&self) -> PathBuf {
        self.folder.join("rootfs/bin/task")
    }

    /// Pushes the image into a repository that is there.
    pub(crate) async fn push(&self, authority: &str, repository: &str) -> Result<(), String> {
        let from = format!("oci:{}:latest", self.folder.join("layout").display());
        let to = format!("docker://{authority}/{repository}:latest");
        let mut skopeo = Command::new("skopeo");
        skopeo.args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]);
        run(skopeo.args([from, to])).await.map(drop)
    }
}

/// Runs a program to its end, in silence; how long it took.
pub(crate) async fn run(command: &mut Command) -> Result<Duration, String> {
    let begun = Instant::now();
    output(command).await?;
    Ok(begun.elapsed())
}

/// Runs a program to its end; what it printed.
pub(crate) async fn output(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().await;
    let output =
        output.map_err(|error| format!("{:?}: {error}", command.as_std().get_program()))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}
