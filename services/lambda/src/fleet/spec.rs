//! The sandbox of one environment.

mod image;
mod layer;

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use haar_substrate::{ContainerSpec, Limits, Mount, Root, SandboxId, SandboxSpec, WarmTemplate};
use haar_types::CpuUnits;

use super::{FunctionTarget, LogFormat};
use crate::doors::RoleCredentials;
use crate::runtimes::{
    API_PORT, Family, Launch, RUNTIME_API, SANDBOX_USER, listen, take_options, waiting_environment,
};
pub(super) use image::{ImageRoot, NoImage, ProgramFault};

/// The label that all of the fleet's sandboxes carry.
const LABEL: &str = "haar.room";

/// The container that holds the runtime.
pub(super) const RUNTIME: &str = "runtime";

/// What extensions do not see of the environment. AWS docs: *Lambda Extensions API > Permissions
/// and configuration*.
const RUNTIME_VARIABLES: &[&str] = &[
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "_HANDLER",
];

/// Begins the names of the containers that hold extensions.
const EXTENSION: &str = "extension-";

/// The extensions that a sandbox starts.
pub(super) fn extension_names(spec: &SandboxSpec) -> Vec<String> {
    let names = spec.containers.iter().filter_map(|one| one.name.strip_prefix(EXTENSION));
    names.map(str::to_owned).collect()
}

/// Memory that gives one whole vCPU. AWS docs: *Configure Lambda function memory*.
const MEMORY_MB_PER_VCPU: u64 = 1769;

/// Most processes and threads, and most open files of each process. AWS docs: *Lambda quotas*.
const PIDS_MAX: u32 = 1024;
const FILES_MAX: u64 = 1024;

/// CPU while an environment initializes, where its memory gives less: two vCPUs, so that an
/// interpreter starts as fast for a small function as for a large one. *Ours*: AWS gives more
/// CPU during initialization too, and names no figure.
const INIT_CPU: CpuUnits = CpuUnits(2048);

/// What a function's environment may use while it works.
pub(super) fn limits(target: &FunctionTarget) -> Limits {
    Limits {
        memory: Some(target.memory),
        cpu: Some(CpuUnits(target.memory.0 * 1024 / MEMORY_MB_PER_VCPU)),
        pids: Some(PIDS_MAX),
        files: Some(FILES_MAX),
        ..Limits::default()
    }
}

fn cpu_at_init(target: &FunctionTarget) -> CpuUnits {
    limits(target).cpu.map_or(INIT_CPU, |cpu| cpu.max(INIT_CPU))
}

/// What an environment is made of.
pub(super) struct Plan<'a> {
    pub(super) id: SandboxId,
    pub(super) target: &'a FunctionTarget,
    pub(super) launch: &'a Launch,
    /// The image to run from, where the function is one.
    pub(super) image: Option<&'a ImageRoot>,
    pub(super) stream: &'a str,
    pub(super) initialization_type: &'static str,
    pub(super) credentials: Option<RoleCredentials>,
}

impl Plan<'_> {
    /// The spec, or what is wrong with the function's entry point.
    pub(super) fn sandbox(&self) -> Result<SandboxSpec, ProgramFault> {
        let target = self.target;
        let labels = [(LABEL, "lambda".to_owned()), ("haar.function", target.arn())];
        let containers = match (self.image, &target.image) {
            (Some(root), Some(image)) => self.image_containers(root, image),
            _ => self.host_containers().map_err(ProgramFault::entry_point)?,
        };
        Ok(SandboxSpec {
            labels: labels.map(|(name, value)| (name.to_owned(), value)).into(),
            hostname: "sandbox.localdomain".to_owned(),
            listen: listen(),
            limits: Limits { cpu: Some(cpu_at_init(target)), ..limits(target) },
            containers,
            ..SandboxSpec::new(self.id.clone())
        })
    }

    fn host_containers(&self) -> Result<Vec<ContainerSpec>, String> {
        let mut containers = self.extensions();
        let has_extensions = !containers.is_empty();
        containers.push(self.runtime(has_extensions)?);
        Ok(containers)
    }

    fn runtime(&self, has_extensions: bool) -> Result<ContainerSpec, String> {
        let environment = self.environment();
        let wrapper = self.target.environment.get("AWS_LAMBDA_EXEC_WRAPPER");
        let Some(template) = &self.launch.template else {
            let argv = vec![self.entry_point()?];
            return Ok(self.container(RUNTIME, argv, Root::Host { also: Vec::new() }));
        };
        let root = template.root.clone();
        let warm = !has_extensions && !needs_fresh_start(&self.target.environment);
        let mut argv = template.argv.clone();
        if let Some(options) = self.target.environment.get("JAVA_TOOL_OPTIONS")
            && self.launch.family == Family::Java
        {
            take_options(&mut argv, options);
        }
        if let Some(wrapper) = wrapper {
            argv.insert(0, wrapper.clone());
        }
        let mut container = self.container(RUNTIME, argv, root);
        match warm {
            true => {
                let assignment = serde_json::to_vec(&environment).expect("texts are JSON");
                container.assignment = Some(Bytes::from(assignment));
                container.env = template.env.clone();
                container.template = Some(template.clone());
            }
            false => {
                container.assignment = Some(Bytes::from_static(b"{}")); // it has its environment
                container.mounts.splice(0..0, template.mounts.iter().cloned()).for_each(drop);
            }
        }
        Ok(container)
    }

    fn container(&self, name: &str, argv: Vec<String>, root: Root) -> ContainerSpec {
        ContainerSpec {
            argv,
            env: self.environment().into_iter().collect(),
            cwd: "/var/task".to_owned(),
            user: SANDBOX_USER.into(),
            mounts: self.mounts(),
            ..ContainerSpec::new(name, root)
        }
    }

    fn mounts(&self) -> Vec<Mount> {
        let target = self.target;
        let read_only = |source: &Path, inside: &str| Mount::Bind {
            source: source.to_owned(),
            target: inside.to_owned(),
            read_only: true,
        };
        let mut mounts = vec![read_only(&target.code, "/var/task")];
        match target.layers.as_slice() {
            [] => {}
            [layer] => mounts.push(read_only(layer, "/opt")),
            layers => {
                mounts.push(Mount::Union { sources: layers.to_vec(), target: "/opt".to_owned() });
            }
        }
        let size_bytes = target.ephemeral_storage.bytes();
        mounts.push(Mount::Scratch { target: "/tmp".to_owned(), size_bytes });
        mounts
    }

    /// One container for each executable under `/opt/extensions`.
    fn extensions(&self) -> Vec<ContainerSpec> {
        let mut names = BTreeMap::new();
        for layer in &self.target.layers {
            for (name, executable) in layer::extensions(layer) {
                names.insert(name, executable); // a later layer lies over an earlier one
            }
        }
        let executable = names.into_iter().filter(|(_, executable)| *executable);
        executable
            .map(|(name, _)| {
                let argv = vec![format!("/opt/extensions/{name}")];
                let also = self.launch.template.as_ref().map(|template| template.root.clone());
                let root = also.unwrap_or(Root::Host { also: Vec::new() });
                let container = self.container(&format!("{EXTENSION}{name}"), argv, root);
                ContainerSpec { env: self.extension_environment(), ..container }
            })
            .collect()
    }

    /// The environment, less what is the runtime's alone.
    fn extension_environment(&self) -> Vec<(String, String)> {
        let all = self.environment().into_iter();
        all.filter(|(name, _)| !RUNTIME_VARIABLES.contains(&name.as_str())).collect()
    }

    /// `bootstrap`, from the code or from a layer.
    fn entry_point(&self) -> Result<String, String> {
        let in_layer = || self.target.layers.iter().any(|one| layer::has(one, "bootstrap"));
        if layer::has(&self.target.code, "bootstrap") {
            return Ok("/var/task/bootstrap".to_owned());
        }
        if in_layer() {
            return Ok("/opt/bootstrap".to_owned());
        }
        Err("Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".to_owned())
    }

    /// AWS docs: *Defined runtime environment variables*.
    fn environment(&self) -> BTreeMap<String, String> {
        let target = self.target;
        let mut all: BTreeMap<String, String> = waiting_environment().into_iter().collect();
        if self.image.is_some() {
            all.retain(|name, _| name == RUNTIME_API); // the rest is the image's own affair
        }
        let mut set = |name: &str, value: &str| {
            all.insert(name.to_owned(), value.to_owned());
        };
        match self.launch.family {
            Family::Python => set("PYTHONPATH", "/var/runtime"),
            Family::Node => set("NODE_PATH", NODE_PATH),
            Family::Ruby => {
                set("GEM_PATH", &self.gem_path());
                set("RUBYLIB", "/var/task:/var/runtime/lib:/opt/ruby/lib");
            }
            _ => {}
        }
        set("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR");
        set("AWS_XRAY_DAEMON_ADDRESS", "169.254.79.129:2000");
        for (name, value) in &target.environment {
            set(name, value);
        }
        if self.image.is_none() {
            set("_HANDLER", &target.handler);
        }
        set("AWS_REGION", target.region.as_str());
        set("AWS_DEFAULT_REGION", target.region.as_str());
        set("AWS_LAMBDA_FUNCTION_NAME", &target.function_name);
        set("AWS_LAMBDA_FUNCTION_VERSION", &target.version);
        set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &target.memory.0.to_string());
        set("AWS_LAMBDA_LOG_GROUP_NAME", &target.logging.group);
        set("AWS_LAMBDA_LOG_STREAM_NAME", self.stream);
        set("AWS_LAMBDA_INITIALIZATION_TYPE", self.initialization_type);
        for (name, path) in
            [("LAMBDA_TASK_ROOT", "/var/task"), ("LAMBDA_RUNTIME_DIR", "/var/runtime")]
        {
            if !self.image.is_some_and(|root| root.sets(name)) {
                set(name, path);
            }
        }
        if self.launch.family != Family::Provided {
            set("AWS_EXECUTION_ENV", &format!("AWS_Lambda_{}", target.runtime));
        }
        if target.logging.format == LogFormat::Json {
            set("AWS_LAMBDA_LOG_FORMAT", "JSON");
            set(
                "AWS_LAMBDA_LOG_LEVEL",
                target.logging.application_level.as_deref().unwrap_or("INFO"),
            );
        } else {
            set("AWS_LAMBDA_LOG_FORMAT", "Text");
        }
        if !target.environment.contains_key("AWS_ENDPOINT_URL") {
            set("AWS_ENDPOINT_URL", &format!("http://127.0.0.1:{API_PORT}"));
        }
        if let Some(credentials) = &self.credentials {
            set("AWS_ACCESS_KEY_ID", &credentials.access_key_id);
            set("AWS_SECRET_ACCESS_KEY", &credentials.secret_access_key);
            set("AWS_SESSION_TOKEN", &credentials.session_token);
        }
        all
    }
}

impl Plan<'_> {
    /// Gems of the code and of layers: for the version asked for, and for the one that runs.
    /// AWS docs: *Working with layers for Ruby Lambda functions*.
    fn gem_path(&self) -> String {
        let asked = self.target.runtime.trim_start_matches("ruby");
        let (major, minor) = self.launch.interpreter;
        let mut versions = vec![asked.to_owned(), format!("{major}.{minor}")];
        versions.dedup();
        let places = versions.iter().flat_map(|version| {
            ["/var/task/vendor/bundle/ruby", "/opt/ruby/gems"].map(|at| format!("{at}/{version}.0"))
        });
        places.collect::<Vec<_>>().join(":")
    }
}

const NODE_PATH: &str = "/opt/nodejs/node24/node_modules:/opt/nodejs/node22/node_modules:\
    /opt/nodejs/node20/node_modules:/opt/nodejs/node18/node_modules:/opt/nodejs/node_modules:\
    /var/runtime/node_modules:/var/runtime:/var/task";

/// Variables that an interpreter, its loader or its libraries read when they start.
fn needs_fresh_start(environment: &BTreeMap<String, String>) -> bool {
    const PREFIXES: &[&str] =
        &["PYTHON", "NODE_", "LD_", "JAVA_", "_JAVA_", "JDK_", "RUBY", "MALLOC_", "GLIBC_", "UV_"];
    environment.keys().any(|name| {
        ["AWS_LAMBDA_EXEC_WRAPPER", "TZ"].contains(&name.as_str())
            || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    })
}

/// The template whose waiting sandboxes a target's environments are taken from.
pub(super) fn template_for<'a>(
    target: &FunctionTarget,
    launch: &'a Launch,
) -> Option<&'a WarmTemplate> {
    launch.template.as_ref().filter(|_| !needs_fresh_start(&target.environment))
}
