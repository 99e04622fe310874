//! Starts a container of an image in a sandbox that is there.

mod devices;
mod fill;
mod layers;

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use haar_substrate::{
    ContainerSpec, ImageId, Limits, OutputMode, Root, RunAs, Stdio, TerminalSize, User,
};
use parking_lot::Mutex;
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};

use super::capability;
use super::child::{self, ContainerPlan, First, ProgramPlan, ProgramSpec};
use super::compose::Composed;
use super::exec::{give, open_terminal};
use super::helper::{Helper, Sandbox};
use super::kits::FirstKit;
use super::laid::Laid;
use super::mounts::Detached;
use super::owners::Owners;
use super::rlimit;
use super::rootfs;
use super::scratch::Again;
use super::scribe::Book;
use super::shell::{Shell, Workshop, judge, output};
use super::sysctl;
use super::unit::{Context, Own, Owner, Unit};
use super::users;
use super::volumes::Placed;
use crate::cgroup::{Cgroup, Entries};
use crate::proto::{Doing, Failure, FromImage};
use devices::give_devices;
use layers::{bounded_root, lay};

/// Bytes of `/dev/shm` where nothing else is said.
const SHM_BYTES: u64 = 64 << 20;

/// The size of a program's own terminal: nobody sits at it.
const TERMINAL_SIZE: TerminalSize = TerminalSize { rows: 24, columns: 80 };

/// A container that was started, with its output's ends where the server shall have them.
pub(super) struct StartedContainer {
    pub(super) unit: Arc<Unit>,
    pub(super) streams: Option<[OwnedFd; 2]>,
}

/// Everything of a container that is made before its first process.
struct Site<'a> {
    shop: &'a Workshop,
    composed: &'a Composed,
    spec: &'a ContainerSpec,
    image: &'a FromImage,
    group: Cgroup,
    tree: OwnedFd,
    /// What its writable layer is on, until its unit has it.
    again: Mutex<Option<Again>>,
    mounts: Vec<Detached>,
    context: Context,
}

/// Starts a container; what was made for one that cannot be is taken down again.
pub(super) fn start(
    helper: &Arc<Helper>,
    sandbox: &Sandbox,
    spec: &ContainerSpec,
    image: &FromImage,
) -> Result<StartedContainer, Failure> {
    let Root::Image(id) = &spec.root else {
        return Err(Failure::Unsupported("the host's programs in a sandbox of images".into()));
    };
    let composed = sandbox.composed.as_ref().ok_or_else(|| Failure::Refused {
        program: spec.name.clone(),
        reason: "this sandbox takes no more containers".to_owned(),
    })?;
    helper.one_more();
    let first = composed.take_first();
    let name = first.as_ref().map_or_else(|| helper.mint_name(), |first| first.name.clone());
    let layer = composed.disk.join(format!("{}.{name}", spec.name));
    let kit = first.map_or_else(|| begin(&helper.shop, sandbox, name), Ok);
    let kit = kit.and_then(|mut kit| match give_devices(&helper.shop, &mut kit.group, spec) {
        Ok(devices) => Ok((kit, devices)),
        Err(failure) => {
            composed.close_group(helper, kit.group);
            Err(failure)
        }
    });
    let made = kit.and_then(|(kit, devices)| {
        let group = kit.group.clone();
        make(helper, sandbox, composed, (spec, image, id), (kit, devices, &layer)).inspect_err(
            |_| {
                composed.close_group(helper, group);
            },
        )
    });
    if made.is_err() {
        helper.close_dir(layer);
        helper.close_unit();
    }
    made
}

/// What a container begins with that is not its sandbox's first.
fn begin(shop: &Workshop, sandbox: &Sandbox, name: String) -> Result<FirstKit, Failure> {
    let devices = rootfs::devices().doing("make the devices")?;
    let group = shop.cgroups.create_in(&sandbox.cgroup, &name);
    let group = group.doing("make the control groups")?;
    Ok(FirstKit { name, group, limits: Limits::default(), devices })
}

fn make(
    helper: &Arc<Helper>,
    sandbox: &Sandbox,
    composed: &Composed,
    (spec, image, id): (&ContainerSpec, &FromImage, &ImageId),
    (kit, given, layer): (FirstKit, Vec<OwnedFd>, &Path),
) -> Result<StartedContainer, Failure> {
    let shop = &helper.shop;
    let FirstKit { group, devices, limits, .. } = kit;
    group.change(&limits, &spec.limits).doing("set the limits")?;
    composed.note_limits(&group, &spec.limits);
    if spec.terminal && !matches!(spec.output, OutputMode::Kept { .. }) {
        let what = "a terminal for a container's own program whose output is not kept";
        return Err(Failure::Unsupported(what.to_owned()));
    }
    let owners = match spec.own_users {
        true => Some(composed.owners(shop)?),
        false => None,
    };
    let owners = owners.as_ref();
    let root = match spec.root_size_bytes.filter(|_| shop.scratch.are_usable()) {
        Some(size_bytes) => bounded_root(shop, (image, owners), layer, size_bytes),
        None => lay(shop, (image, owners), layer).map(|tree| (tree, None)),
    };
    let (tree, mut again) = root.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::NoImage(id.clone()),
        _ => Failure::of("lay the image's layers over each other", &error),
    })?;
    let context = context(shop, spec, (image, owners), &tree)?;
    let is_mighty = context.bounding & capability::SYS_ADMIN != 0;
    if is_mighty {
        group.spoil(); // it may see more of its groups than others, and change them
    }
    if is_mighty || !Laid::is_private(&composed.network, spec) {
        again.iter_mut().for_each(|again| again.laid = None);
    }
    if context.bounding & capability::OVER_NETWORK != 0 {
        composed.network.is_changed.store(true, Ordering::SeqCst);
    }
    let again = Mutex::new(again);
    let mounts = Vec::new();
    let mut site = Site { shop, composed, spec, image, group, tree, again, mounts, context };
    site.mount(devices, given)?;
    let book = match spec.output {
        OutputMode::Kept { bytes } => Some(composed.book(&sandbox.id, spec, bytes)?),
        OutputMode::Stream | OutputMode::Discard => None,
    };
    let (unit, ours) = site.launch(helper, sandbox, (id, layer))?;
    let streams = match (book, ours) {
        (Some(book), Ours::Pipes([out, err])) => {
            follow(helper, &unit, &book, vec![(Stdio::Out, out), (Stdio::Err, err)])?;
            None
        }
        (Some(book), Ours::Terminal(terminal)) => {
            follow(helper, &unit, &book, vec![(Stdio::Out, terminal)])?;
            None
        }
        (None, Ours::Pipes(pipes)) => Some(pipes),
        (_, Ours::Nothing | Ours::Terminal(_)) => None,
    };
    Ok(StartedContainer { unit, streams })
}

/// Keeps a container's output from now on; ends it where that cannot be.
fn follow(
    helper: &Helper,
    unit: &Unit,
    book: &Arc<Book>,
    output: Vec<(Stdio, OwnedFd)>,
) -> Result<(), Failure> {
    let followed = helper.scribe.follow(book, output).doing("keep the output");
    followed.inspect_err(|_| unit.end_now())
}

fn context(
    shop: &Workshop,
    spec: &ContainerSpec,
    (image, owners): (&FromImage, Option<&Arc<Owners>>),
    tree: &OwnedFd,
) -> Result<Context, Failure> {
    let mut identity = match &spec.user {
        RunAs::Image => users::find(tree, &image.user)?,
        RunAs::Named(name) => users::find(tree, name)?,
        RunAs::Ids(User { uid, gid }) => users::find(tree, &format!("{uid}:{gid}"))?,
    };
    identity.groups.truncate(64);
    let mut env = image.env.clone();
    if !env.iter().any(|(name, _)| name == "HOME") {
        env.push(("HOME".to_owned(), identity.home.clone()));
    }
    let mut bounding = capability::of_container(&spec.capabilities_add, &spec.capabilities_drop)?;
    if !shop.rules_devices {
        bounding = capability::without_devices(bounding);
    }
    Ok(Context {
        env,
        cwd: image.cwd.clone(),
        identity,
        bounding,
        rlimits: rlimit::of_container(&spec.ulimits, spec.limits.files, shop.open_files_max)?,
        no_new_privileges: spec.no_new_privileges,
        owners: owners.cloned(),
    })
}

impl Site<'_> {
    /// Makes the places of all mounts, and the mounts: first those that others go into.
    fn mount(&mut self, devices: OwnedFd, given: Vec<OwnedFd>) -> Result<(), Failure> {
        let (composed, spec, user) = (self.composed, self.spec, self.context.identity.user);
        rootfs::make_own_points(&self.tree).map_err(|error| refused("image", &error))?;
        let mut owned = vec![self.mounts.len()];
        self.push(devices, "/dev")?;
        for (device, tree) in spec.devices.iter().zip(given) {
            self.make_point(&device.target, true)?;
            self.mounts.push(Detached { tree, target: target_of(&device.target)? });
        }
        let own =
            rootfs::OWN_FILES.map(|name| (composed.memory.join(name), format!("/etc/{name}")));
        let own = own.iter().map(|(source, target)| Ok(Placed::file(source, target)));
        let given = spec.mounts.iter().map(|mount| composed.volumes.place(mount));
        let mut all = own.chain(given).collect::<Result<Vec<_>, Failure>>()?;
        all.extend(fill::own_volumes(spec, self.image));
        all.sort_by_key(Placed::depth);
        let mut sealed = Vec::new();
        for one in &all {
            self.make_point(one.target, one.is_file())?;
            let tree = one.detach(self.shop, &mut composed.shared.lock(), user)?;
            if one.takes_content && fill::is_wanted(self.image, one.target) {
                let filled =
                    fill::fill(&self.tree, one.target, &tree, self.context.owners.as_deref());
                filled.map_err(|error| refused(one.target, &error))?;
            }
            sealed.extend(one.sealed.then_some(self.mounts.len()));
            owned.push(self.mounts.len());
            self.push(tree, one.target)?;
        }
        for path in &self.image.volumes {
            self.make_point(path, false)?;
        }
        if self.context.cwd != "/" {
            self.make_point(&self.context.cwd, false)?;
        }
        // only now: what is made in a mapped mount needs an owner from inside
        if let Some(owners) = &self.context.owners {
            for at in owned {
                owners.map(&self.mounts[at].tree).doing("give a mount to its owners")?;
            }
        }
        for at in sealed {
            rootfs::seal(&self.mounts[at].tree).doing("make a volume read-only")?;
        }
        if spec.read_only_root {
            rootfs::seal(&self.tree).doing("make the root read-only")?;
        }
        Ok(())
    }

    /// Makes the place of a mount: in the mount that it goes into, else in the root.
    fn make_point(&self, target: &str, file: bool) -> Result<(), Failure> {
        let above = self.mounts.iter().rev().find_map(|one| {
            let inside = Path::new(target).strip_prefix(one.target.to_str().ok()?).ok()?;
            let inside = inside.to_str().filter(|inside| !inside.is_empty())?;
            Some((one.tree.as_fd(), format!("/{inside}")))
        });
        let made = match above {
            Some((mount, inside)) => rootfs::make_point(mount, &inside, file, None),
            None => {
                let owner = self.context.owners.as_ref().map(|owners| owners.outside(0));
                rootfs::make_point(&self.tree, target, file, owner)
            }
        };
        made.map_err(|error| refused(target, &error))
    }

    fn push(&mut self, tree: OwnedFd, target: &str) -> Result<(), Failure> {
        let target = target_of(target)?;
        self.mounts.push(Detached { tree, target });
        Ok(())
    }

    /// Starts the first process, and the program where that is another.
    fn launch(
        &self,
        helper: &Arc<Helper>,
        sandbox: &Sandbox,
        (id, layer): (&ImageId, &Path),
    ) -> Result<(Arc<Unit>, Ours), Failure> {
        let entries = self.group.entries().doing("open the control groups")?;
        let (stdio, ours) = self.stdio()?;
        let (stdio, input) = self.open_input(stdio)?;
        let mut program = program(self.shop, &self.context, &self.image.argv, &stdio)?;
        program.terminal = self.spec.terminal;
        let name = self.image.argv.first().cloned().unwrap_or_default();
        let parameters = sysctl::set(self.shop, self.composed, &self.spec.sysctls)?;
        let sole = !self.spec.init;
        let (first, later) = match sole {
            true => (First::Program(Box::new(program)), None),
            false => (First::Init(self.shop.init.as_fd()), Some(program)),
        };
        let hostname = rootfs::text(&self.composed.hostname).doing("name the host")?;
        let init = self.first(first, &entries, (&hostname, &parameters));
        let init = init.map_err(|error| judge(&name, &self.context.cwd, error))?;
        let shell = Shell::around(init, self.context.identity.user)?;
        let own = Own {
            sole,
            image: id.clone(),
            stop_signal: self.image.stop_signal,
            layer: layer.to_owned(),
            again: Mutex::new(self.again.lock().take()),
            context: self.context.clone(),
            kept: self.composed.keeps(&self.group),
            _input: input,
        };
        let unit = Unit { own: Some(own), ..Unit::new(shell, self.group.clone()) };
        {
            let mut life = unit.life.lock();
            let (container, attempt) = (self.spec.name.clone(), self.spec.attempt);
            life.owner = Some(Owner { id: sandbox.id.clone(), container, attempt });
            life.started_at = helper.reaper.clock.now();
        }
        if let Some(program) = later {
            let init = unit.shell.init.pidfd.as_fd();
            let plan = ProgramPlan { init, users: self.users(), entries: &entries, program };
            let started = unit
                .shell
                .inside(self.shop, libc::CLONE_NEWPID, || Ok(child::start_program(&plan)))
                .and_then(|child| child.map_err(|error| judge(&name, &self.context.cwd, error)));
            match started {
                Ok(child) => unit.life.lock().program = Some(child),
                Err(failure) => {
                    unit.end_now();
                    return Err(failure);
                }
            }
        }
        Ok((Arc::new(unit), ours))
    }

    /// The namespace of the sandbox's own users.
    fn users(&self) -> Option<BorrowedFd<'_>> {
        self.context.owners.as_ref().map(|owners| owners.namespace())
    }

    fn first(
        &self,
        first: First<'_>,
        entries: &Entries,
        (hostname, parameters): (&CStr, &[(CString, CString)]),
    ) -> Result<super::clone::Child, child::ChildError> {
        let size = self.spec.shm_size_bytes.unwrap_or(SHM_BYTES);
        let shm = CString::new(format!("mode=1777,size={size}")).unwrap_or_default();
        let plan = ContainerPlan {
            tree: self.tree.as_fd(),
            anchor: &self.shop.places.anchor,
            mounts: self
                .mounts
                .iter()
                .map(|mount| (mount.tree.as_fd(), mount.target.as_c_str()))
                .collect(),
            masks: &self.shop.masks_of_images,
            groups: &self.shop.groups,
            shm: &shm,
            parameters,
            hostname,
            entries,
            users: self.users(),
            network: self.composed.network.namespace.as_ref().map(AsFd::as_fd),
            first,
            unborn: &self.composed.unborn,
        };
        child::start_container(&plan)
    }

    /// Ends for the program, and ours.
    fn stdio(&self) -> Result<([OwnedFd; 3], Ours), Failure> {
        if self.spec.terminal {
            return self.terminal().doing("make a terminal");
        }
        let null = || self.shop.null.try_clone().doing("copy a descriptor");
        if self.spec.output == OutputMode::Discard {
            return Ok(([high(null()?)?, high(null()?)?, high(null()?)?], Ours::Nothing));
        }
        let (stdout, out) = output()?;
        let (stderr, err) = output()?;
        for end in [&out, &err] {
            let gid = self.context.identity.user.gid;
            give(end, &self.context, gid).doing("give the output to the user")?;
        }
        Ok(([high(null()?)?, out, err], Ours::Pipes([stdout, stderr])))
    }

    /// Puts an input that stays open in place of one that is at its end, where that is asked for.
    fn open_input(
        &self,
        [stdin, stdout, stderr]: [OwnedFd; 3],
    ) -> Result<([OwnedFd; 3], Option<OwnedFd>), Failure> {
        if !self.spec.open_stdin || self.spec.terminal {
            return Ok(([stdin, stdout, stderr], None));
        }
        let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC).doing("make a pipe")?;
        Ok(([high(theirs)?, stdout, stderr], Some(ours)))
    }

    /// A terminal for the program. It is one of the host's: the container's own are not there
    /// before its first process is.
    fn terminal(&self) -> io::Result<([OwnedFd; 3], Ours)> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let master = rustix::fs::open("/dev/ptmx", flags, Mode::empty())?;
        let (theirs, ours) = open_terminal(master, TERMINAL_SIZE, &self.context)?;
        let ours = ours.into_iter().next().map_or(Ours::Nothing, Ours::Terminal);
        Ok((theirs, ours))
    }
}

fn target_of(target: &str) -> Result<CString, Failure> {
    rootfs::text(target).doing("name a mount")
}

fn refused(target: &str, error: &io::Error) -> Failure {
    Failure::Refused { program: target.to_owned(), reason: error.to_string() }
}

/// Our ends of a program's input and output.
enum Ours {
    Nothing,
    Pipes([OwnedFd; 2]),
    Terminal(OwnedFd),
}

/// Well out of the way of 0 to 3.
fn high(fd: OwnedFd) -> Result<OwnedFd, Failure> {
    crate::sys::dup_high(fd).doing("copy a descriptor")
}

/// A program to start in a container.
pub(super) fn program<'a>(
    shop: &'a Workshop,
    context: &Context,
    argv: &[String],
    stdio: &'a [OwnedFd; 3],
) -> Result<ProgramSpec<'a>, Failure> {
    let name = argv.first().cloned().unwrap_or_default();
    let refused = |reason: &str| Failure::Refused { program: name.clone(), reason: reason.into() };
    if name.is_empty() {
        return Err(refused("no command specified"));
    }
    let text = |text: String| CString::new(text).map_err(|_| refused("holds a nul"));
    let path = context.env.iter().rev().find(|(name, _)| name == "PATH");
    let paths: Result<Vec<_>, _> = match name.contains('/') {
        true => vec![text(name.clone())].into_iter().collect(),
        false => path
            .map_or("", |(_, value)| value)
            .split(':')
            .filter(|dir| dir.starts_with('/'))
            .map(|dir| text(format!("{}/{name}", dir.trim_end_matches('/'))))
            .collect(),
    };
    let env: Result<Vec<_>, _> =
        context.env.iter().map(|(name, value)| text(format!("{name}={value}"))).collect();
    let argv: Result<Vec<_>, _> = argv.iter().cloned().map(text).collect();
    let Context { identity, bounding, .. } = context;
    let seccomp = match bounding & capability::SYS_ADMIN {
        0 => &shop.seccomp.container,
        _ => &shop.seccomp.admin,
    };
    Ok(ProgramSpec {
        stdio: [stdio[0].as_fd(), stdio[1].as_fd(), stdio[2].as_fd()],
        assign: None,
        terminal: false,
        paths: paths?,
        argv: argv?,
        env: env?,
        cwd: text(context.cwd.clone())?,
        user: identity.user,
        groups: identity.groups.clone(),
        rlimits: context.rlimits.clone(),
        bounding: *bounding,
        permitted: if identity.user.uid == 0 { *bounding } else { 0 },
        no_new_privileges: context.no_new_privileges,
        seccomp,
    })
}
