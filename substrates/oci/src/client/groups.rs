//! What the server does with control groups itself: it reads their figures, and freezes them.

use std::io;
use std::sync::Arc;

use haar_substrate::{SandboxId, Stats, SubstrateError, Verb};

use super::OciSubstrate;
use super::gate::Gate;
use crate::cgroup::{Cgroup, Gauge};
use crate::proto::Carriage;

impl OciSubstrate {
    /// A sandbox's control group, or that of a container of it where it has one of its own.
    fn group(
        &self,
        id: &SandboxId,
        container: Option<&str>,
    ) -> Result<(Cgroup, Arc<Gate>), SubstrateError> {
        let known = self.known.lock();
        let gone = || SubstrateError::Gone(id.clone());
        let entry = known.sandboxes.get(id).ok_or_else(gone)?;
        let own = match container {
            Some(name) if !entry.runs.contains_key(name) => return Err(gone()),
            Some(name) => entry.groups.get(name),
            None => None,
        };
        Ok((self.cgroups.named(own.unwrap_or(&entry.cgroup)), Arc::clone(&entry.gate)))
    }

    /// Freezes a group, or thaws it.
    pub(super) async fn freeze_group(
        &self,
        id: &SandboxId,
        container: Option<&str>,
        frozen: bool,
    ) -> Result<(), SubstrateError> {
        let (group, gate) = self.group(id, container)?;
        let set = || group.freeze(frozen).map_err(|error| judge(Verb::Signal, id, error));
        match frozen {
            true => gate.when_begun(id, set).await,
            false => {
                let _own = gate.enter(id)?;
                set()
            }
        }
    }

    /// What is used, with what went over the sandbox's interface.
    pub(super) fn look(
        &self,
        id: &SandboxId,
        container: Option<&str>,
    ) -> Result<Stats, SubstrateError> {
        let (group, gate) = self.group(id, container)?;
        // `known` comes before a gate, everywhere: who starts and removes holds it and enters one.
        let interface =
            self.known.lock().sandboxes.get(id).and_then(|entry| entry.interface.clone());
        let _own = gate.enter(id)?;
        let mut stats = group.stats().map_err(|error| judge(Verb::List, id, error))?;
        if let Some((interface, before)) = interface {
            let own = Carriage::of(&interface).since(before);
            // what the host's side receives is what the sandbox has sent
            stats.network_rx = own.sent;
            stats.network_tx = own.received;
        }
        Ok(stats)
    }

    /// The sandbox's peak of memory.
    pub(super) fn peak(&self, id: &SandboxId) -> Result<u64, SubstrateError> {
        let (gauge, gate) = self.peak_gauge(id)?;
        let _own = gate.enter(id)?;
        gauge.read().map_err(|error| judge(Verb::List, id, error))
    }

    /// The file that holds it, open from the first time on.
    fn peak_gauge(&self, id: &SandboxId) -> Result<(Arc<Gauge>, Arc<Gate>), SubstrateError> {
        let mut known = self.known.lock();
        let entry = known.sandboxes.get_mut(id).ok_or_else(|| SubstrateError::Gone(id.clone()))?;
        let gate = Arc::clone(&entry.gate);
        if let Some(open) = &entry.memory_peak {
            return Ok((Arc::clone(open), gate));
        }
        let opened = self.cgroups.named(&entry.cgroup).memory_peak();
        let opened = Arc::new(opened.map_err(|error| judge(Verb::List, id, error))?);
        Ok((Arc::clone(entry.memory_peak.insert(opened)), gate))
    }

    /// The sandbox's peak of memory is what it uses now.
    pub(super) fn start_peak_anew(&self, id: &SandboxId) -> Result<(), SubstrateError> {
        let (group, gate) = self.group(id, None)?;
        let _own = gate.enter(id)?;
        group.reset_peak().map_err(|error| judge(Verb::Signal, id, error))
    }
}

/// What failed on a control group: when that is gone, so is its sandbox.
fn judge(verb: Verb, id: &SandboxId, error: io::Error) -> SubstrateError {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV) => SubstrateError::Gone(id.clone()),
        _ if error.kind() == io::ErrorKind::Unsupported => {
            SubstrateError::Unsupported(verb, "this host lacks the control group".into())
        }
        _ => SubstrateError::Unreachable(verb, error),
    }
}
