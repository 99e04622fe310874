//! The containers of an environment whose function is an image.

use haar_substrate::{Capability, ContainerSpec, ImageConfig, ImageId, Limits, Mount, Root};

use super::{EXTENSION, FILES_MAX, Plan, RUNTIME};
use crate::doors::{FleetDoors, ImageFailure};
use crate::fleet::{FunctionTarget, ImageTarget};
use crate::runtimes::SANDBOX_USER;

/// Where an image has its external extensions. AWS docs: *Lambda Extensions API*.
const EXTENSIONS: &str = "/opt/extensions";

/// An image as it is here, and what the fleet must know of it.
pub(in crate::fleet) struct ImageRoot {
    id: ImageId,
    config: ImageConfig,
    /// Names of the programs under `/opt/extensions`.
    extensions: Vec<String>,
}

/// Why a function's own program cannot be started.
#[derive(Clone, Debug)]
pub(in crate::fleet) struct ProgramFault {
    /// `Runtime.InvalidEntrypoint` or `Runtime.InvalidWorkingDir`.
    pub(in crate::fleet) kind: &'static str,
    /// In AWS's words.
    pub(in crate::fleet) text: String,
}

impl ProgramFault {
    pub(in crate::fleet) fn entry_point(text: impl Into<String>) -> Self {
        Self { kind: "Runtime.InvalidEntrypoint", text: text.into() }
    }

    fn working_dir(text: impl Into<String>) -> Self {
        Self { kind: "Runtime.InvalidWorkingDir", text: text.into() }
    }

    /// What a substrate's refusal means: of the program, or of the directory it starts in.
    pub(in crate::fleet) fn refused(program: &str, reason: &str, cwd: &str) -> Self {
        if reason == "executable file not found in $PATH" {
            return Self::entry_point(format!("exec: \"{program}\": {reason}"));
        }
        let reason = reason.split(" (os error").next().unwrap_or_default().to_lowercase();
        if cwd == program {
            return Self::working_dir(format!("chdir {program}: {reason}"));
        }
        Self::entry_point(format!("fork/exec {program}: {reason}"))
    }
}

/// Why an image cannot be run from.
pub(in crate::fleet) enum NoImage {
    Fault(ProgramFault),
    /// It is not here, and could not be had.
    Missing(ImageFailure),
}

impl ImageRoot {
    /// Finds a target's image, and has it pulled where it is not here any more.
    pub(in crate::fleet) async fn find(
        doors: &FleetDoors,
        target: &FunctionTarget,
    ) -> Result<Option<Self>, NoImage> {
        let Some(image) = &target.image else { return Ok(None) };
        let lacks = |text: &str| NoImage::Missing(ImageFailure::Unavailable(text.to_owned()));
        let store = doors.substrate.images().ok_or_else(|| lacks("this host runs no images"))?;
        let found = match store.find(&image.id()).await {
            Ok(found) => found,
            Err(_) => {
                doors.images.pull(&image.request).await.map_err(NoImage::Missing)?;
                let found = store.find(&image.id()).await;
                found.map_err(|error| lacks(&error.to_string()))?
            }
        };
        let cwd = working_dir(image, &found.config);
        let look = async |path: &str| {
            store.directory(&found.id, path).await.map_err(|error| lacks(&error.to_string()))
        };
        if !cwd.starts_with('/') {
            return Err(NoImage::Fault(ProgramFault::working_dir(format!(
                "the working directory '{cwd}' is invalid, it needs to be an absolute path"
            ))));
        }
        if cwd != "/" && look(&cwd).await?.is_none() {
            let text = format!("the working directory doesn't exist: {cwd}");
            return Err(NoImage::Fault(ProgramFault::working_dir(text)));
        }
        let programs = look(EXTENSIONS).await?.unwrap_or_default();
        let programs = programs.into_iter().filter(|entry| entry.is_program);
        let extensions = programs.map(|entry| entry.name).collect();
        Ok(Some(Self { id: found.id, config: found.config, extensions }))
    }

    /// True when the image itself sets this variable.
    pub(super) fn sets(&self, name: &str) -> bool {
        self.config.env.iter().any(|(known, _)| known == name)
    }
}

/// Where a function starts; an image's own may be relative to its root.
pub(in crate::fleet) fn working_dir(image: &ImageTarget, config: &ImageConfig) -> String {
    match image.settings.working_directory.as_deref() {
        Some(own) if !own.is_empty() => own.to_owned(),
        _ => format!("/{}", config.cwd.trim_matches('/')),
    }
}

impl Plan<'_> {
    /// One container for each extension of the image, then the function's own.
    pub(super) fn image_containers(
        &self,
        root: &ImageRoot,
        image: &ImageTarget,
    ) -> Vec<ContainerSpec> {
        let extensions = root.extensions.iter().map(|name| ContainerSpec {
            entrypoint: Some(Vec::new()),
            argv: vec![format!("{EXTENSIONS}/{name}")],
            env: self.extension_environment(),
            ..self.image_container(&format!("{EXTENSION}{name}"), root, image)
        });
        let runtime = ContainerSpec {
            entrypoint: image.settings.entry_point.clone(),
            argv: image.settings.command.clone().unwrap_or_default(),
            ..self.image_container(RUNTIME, root, image)
        };
        extensions.chain([runtime]).collect()
    }

    /// AWS docs: *Create a Lambda function using a container image > Requirements*: a user with
    /// the least privileges, whatever the image says, and a root that cannot be written.
    fn image_container(&self, name: &str, root: &ImageRoot, image: &ImageTarget) -> ContainerSpec {
        let size_bytes = self.target.ephemeral_storage.bytes();
        ContainerSpec {
            env: self.environment().into_iter().collect(),
            cwd: working_dir(image, &root.config),
            user: SANDBOX_USER.into(),
            mounts: vec![Mount::Scratch { target: "/tmp".to_owned(), size_bytes }],
            limits: Limits { files: Some(FILES_MAX), ..Limits::default() },
            capabilities_drop: vec![Capability("ALL".to_owned())],
            no_new_privileges: true,
            read_only_root: true,
            init: true,
            ..ContainerSpec::new(name, Root::Image(root.id.clone()))
        }
    }
}
