//! Sandboxes prepared ahead: with an interpreter that waits (templates), and bare shells of the
//! kinds that were lately asked for.

use std::collections::{BTreeMap, VecDeque};
use std::net::{SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use haar_substrate::{Limits, WarmTemplate};

use super::helper::Helper;
use super::log;
use super::mounts::{Shared, detach};
use super::reaper::Which;
use super::root::RootKey;
use super::scratch;
use super::shell::{Program, Shell};
use super::unit::Unit;
use crate::proto::{Doing, Failure};

/// Shells kept ready of each kind, and kinds remembered.
const SHELLS_MAX: usize = 2;
const KINDS_MAX: usize = 4;
/// What was taken is replaced when its start is likely over.
const REFILL_AFTER: Duration = Duration::from_millis(10);
/// A template whose interpreters die while they wait is given up after so many.
const DEATHS_MAX: u32 = 3;

/// A sandbox whose interpreter waits for its work.
pub(super) struct Ready {
    pub(super) unit: Arc<Unit>,
    pub(super) listeners: Vec<(SocketAddrV4, TcpListener)>,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
    pub(super) assign: Option<UnixStream>,
}

/// All that waits.
#[derive(Default)]
pub(super) struct Pool {
    templates: BTreeMap<WarmTemplate, Wanted>,
    /// Lately used kinds first.
    shells: Vec<(RootKey, Vec<Arc<Unit>>)>,
    /// Something was taken since the filler last looked.
    taken: bool,
}

#[derive(Default)]
struct Wanted {
    count: usize,
    waiting: VecDeque<Ready>,
    deaths: u32,
}

/// What the pools lack.
enum Lack {
    Scratch(scratch::Kind),
    Network,
    Kit,
    Template(WarmTemplate),
    Shell(RootKey),
}

impl Pool {
    /// Sets how many of each template shall wait; answers what is no longer wanted.
    pub(super) fn want(&mut self, wanted: Vec<(WarmTemplate, usize)>) -> Vec<Arc<Unit>> {
        let mut before = std::mem::take(&mut self.templates);
        let mut dropped = Vec::new();
        for (template, count) in wanted {
            let waiting = before.remove(&template).unwrap_or_default().waiting;
            let entry = Wanted { count, waiting, deaths: 0 };
            self.templates.insert(template, entry);
        }
        for wanted in self.templates.values_mut() {
            while wanted.waiting.len() > wanted.count {
                dropped.extend(wanted.waiting.pop_back().map(|ready| ready.unit));
            }
        }
        let gone = before.into_values().flat_map(|wanted| wanted.waiting);
        dropped.extend(gone.map(|ready| ready.unit));
        dropped
    }

    /// Takes one that waits, the oldest.
    pub(super) fn take_ready(&mut self, template: &WarmTemplate) -> Option<Ready> {
        self.taken = true;
        let waiting = &mut self.templates.get_mut(template)?.waiting;
        while let Some(ready) = waiting.pop_front() {
            if ready.unit.life.lock().is_fit() {
                return Some(ready);
            }
        }
        None
    }

    /// Something is about to be taken elsewhere, and a start to come.
    pub(super) fn note_taken(&mut self) {
        self.taken = true;
    }

    /// Takes a shell of this kind, and remembers the kind.
    pub(super) fn take_shell(&mut self, key: &RootKey) -> Option<Arc<Unit>> {
        self.taken = true;
        let at = self.shells.iter().position(|(kind, _)| kind == key);
        let (kind, mut units) = match at {
            Some(at) => self.shells.remove(at),
            None => (key.clone(), Vec::new()),
        };
        let unit = units.pop();
        self.shells.insert(0, (kind, units));
        unit.filter(|unit| unit.life.lock().is_fit())
    }

    /// Kinds asked for too long ago: answers their shells.
    fn surplus(&mut self) -> Vec<Arc<Unit>> {
        let kept = self.shells.len().min(KINDS_MAX);
        self.shells.split_off(kept).into_iter().flat_map(|(_, units)| units).collect()
    }

    /// Forgets what died while it waited; true when something had.
    pub(super) fn forget_unfit(&mut self) -> bool {
        let mut found = false;
        for wanted in self.templates.values_mut() {
            let before = wanted.waiting.len();
            wanted.waiting.retain(|ready| ready.unit.life.lock().is_fit());
            let died = before - wanted.waiting.len();
            wanted.deaths += died as u32;
            found |= died > 0;
        }
        for (_, units) in &mut self.shells {
            let before = units.len();
            units.retain(|unit| unit.life.lock().is_fit());
            found |= units.len() < before;
        }
        found
    }

    /// Empties everything.
    pub(super) fn drain(&mut self) -> Vec<Arc<Unit>> {
        let shells = std::mem::take(&mut self.shells).into_iter().flat_map(|(_, units)| units);
        let templates = std::mem::take(&mut self.templates).into_values();
        let ready = templates.flat_map(|wanted| wanted.waiting).map(|ready| ready.unit);
        shells.chain(ready).collect()
    }

    fn lack(&self) -> Option<Lack> {
        let template = self
            .templates
            .iter()
            .find(|(_, wanted)| wanted.waiting.len() < wanted.count && wanted.deaths < DEATHS_MAX);
        if let Some((template, _)) = template {
            return Some(Lack::Template(template.clone()));
        }
        let shell = self.shells.iter().find(|(_, units)| units.len() < SHELLS_MAX);
        shell.map(|(kind, _)| Lack::Shell(kind.clone()))
    }

    /// Puts a fresh one among those that wait; gives it back where it is not wanted any more.
    fn put_ready(&mut self, template: &WarmTemplate, ready: Ready) -> Result<(), Ready> {
        match self.templates.get_mut(template) {
            Some(wanted) if wanted.waiting.len() < wanted.count => {
                wanted.waiting.push_back(ready);
                Ok(())
            }
            _ => Err(ready),
        }
    }

    /// Prepares no more of a kind that cannot be made; answers those that were.
    fn forget_kind(&mut self, key: &RootKey) -> Vec<Arc<Unit>> {
        let at = self.shells.iter().position(|(kind, _)| kind == key);
        at.map(|at| self.shells.remove(at).1).unwrap_or_default()
    }

    fn put_shell(&mut self, key: &RootKey, unit: Arc<Unit>) -> Result<(), Arc<Unit>> {
        match self.shells.iter_mut().find(|(kind, _)| kind == key) {
            Some((_, units)) if units.len() < SHELLS_MAX => {
                units.push(unit);
                Ok(())
            }
            _ => Err(unit),
        }
    }
}

/// Keeps the pools full: the filler thread.
pub(super) fn fill(helper: &Arc<Helper>) {
    loop {
        let (lack, surplus) = {
            let mut state = helper.state.lock();
            let lack = loop {
                // the filler's work competes with the start that made room for it
                if std::mem::take(&mut state.pool.taken) {
                    helper.wanting.wait_for(&mut state, REFILL_AFTER);
                    continue;
                }
                let scratch = || helper.shop.scratch.lack().map(Lack::Scratch);
                let network = || helper.shop.networks.lack().then_some(Lack::Network);
                let kit = || helper.shop.kits.lack().then_some(Lack::Kit);
                match state.pool.lack().or_else(network).or_else(kit).or_else(scratch) {
                    Some(lack) if !state.leaving => break lack,
                    _ => helper.wanting.wait(&mut state),
                }
            };
            (lack, state.pool.surplus())
        };
        surplus.iter().for_each(|unit| unit.shell.kill());
        match lack {
            Lack::Template(template) => fill_template(helper, &template),
            Lack::Shell(key) => fill_shell(helper, &key),
            Lack::Network => helper.shop.networks.prepare(&helper.shop.home),
            Lack::Kit => {
                let names = [helper.mint_name(), helper.mint_name()];
                helper.shop.kits.prepare(&helper.shop.cgroups, names);
            }
            Lack::Scratch(kind) => helper.shop.scratch.prepare(kind),
        }
    }
}

fn fill_template(helper: &Arc<Helper>, template: &WarmTemplate) {
    let unwanted = match make_ready(helper, template) {
        Ok(ready) => {
            let mut state = helper.state.lock();
            let put =
                if state.leaving { Err(ready) } else { state.pool.put_ready(template, ready) };
            put.err().map(|ready| ready.unit)
        }
        Err(failure) => {
            log(&format!("could not prepare {}: {failure:?}", template.name));
            if let Some(wanted) = helper.state.lock().pool.templates.get_mut(template) {
                wanted.deaths += 1;
            }
            None
        }
    };
    if let Some(unit) = unwanted {
        unit.shell.kill();
    }
}

fn fill_shell(helper: &Arc<Helper>, key: &RootKey) {
    let unwanted = match make_shell(helper, key) {
        Ok(unit) => {
            let mut state = helper.state.lock();
            let put = if state.leaving { Err(unit) } else { state.pool.put_shell(key, unit) };
            put.err().into_iter().collect()
        }
        Err(failure) => {
            log(&format!("could not prepare a sandbox: {failure:?}"));
            helper.state.lock().pool.forget_kind(key)
        }
    };
    unwanted.iter().for_each(|unit| unit.shell.kill());
}

/// Makes a watched shell with a control group of its own.
pub(super) fn make_shell(helper: &Arc<Helper>, key: &RootKey) -> Result<Arc<Unit>, Failure> {
    // counted before there is anything, so that the helper does not leave meanwhile
    helper.one_more();
    let name = helper.mint_name();
    let made = helper.shop.cgroups.create(&name).doing("make the control groups");
    let made = made.and_then(|group| {
        let shell = Shell::make(&helper.shop, key, &group, None);
        shell.inspect_err(|_| helper.close_group(group.clone())).map(|shell| (shell, group))
    });
    match made {
        Ok((shell, group)) => watch(helper, Unit::new(shell, group)),
        Err(failure) => {
            helper.close_unit();
            Err(failure)
        }
    }
}

/// Makes a shell in the control group and network of another.
pub(super) fn join_shell(
    helper: &Arc<Helper>,
    key: &RootKey,
    other: &Unit,
) -> Result<Arc<Unit>, Failure> {
    helper.one_more();
    let group = other.cgroup.clone();
    match Shell::make(&helper.shop, key, &group, Some(&other.shell)) {
        Ok(shell) => watch(helper, Unit::new(shell, group)),
        Err(failure) => {
            helper.close_unit();
            Err(failure)
        }
    }
}

/// Watches a new unit.
fn watch(helper: &Arc<Helper>, unit: Unit) -> Result<Arc<Unit>, Failure> {
    let unit = Arc::new(unit);
    helper.reaper.watch(&unit, Which::First).doing("watch a sandbox")?;
    Ok(unit)
}

/// Makes a sandbox whose interpreter waits.
pub(super) fn make_ready(helper: &Arc<Helper>, template: &WarmTemplate) -> Result<Ready, Failure> {
    let unit = make_shell(helper, &RootKey::of_template(template))?;
    let made = furnish_ready(helper, &unit, template);
    if made.is_err() {
        unit.shell.kill();
    }
    made
}

fn furnish_ready(
    helper: &Arc<Helper>,
    unit: &Arc<Unit>,
    template: &WarmTemplate,
) -> Result<Ready, Failure> {
    let shop = &helper.shop;
    let mut shared = Shared::new();
    let mounts: Result<Vec<_>, _> = template
        .mounts
        .iter()
        .map(|mount| detach(shop, &mut shared, mount, template.user))
        .collect();
    unit.shell.furnish(shop, &mounts?, "")?;
    let listeners = unit.shell.listen(shop, &template.listen)?;
    unit.cgroup.wait().doing("set the weight of what waits")?;
    let program = Program {
        argv: &template.argv,
        env: &template.env,
        cwd: "/",
        limits: &Limits::default(),
        assigned: true,
    };
    let started = unit.shell.start(shop, &unit.cgroup, &program)?;
    unit.life.lock().program = Some(started.child);
    helper.reaper.watch(unit, Which::Program).doing("watch a program")?;
    Ok(Ready {
        unit: unit.clone(),
        listeners,
        stdout: started.stdout,
        stderr: started.stderr,
        assign: started.assign,
    })
}
