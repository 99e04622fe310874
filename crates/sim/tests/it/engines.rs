//! The toy cloud: a table, a controller, and the machine that it drives.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use haar_clock::Clock;
use haar_controller::{ActCx, ActError, Controller, Driver, DriverHandle, Plan};
use haar_ledger::{ChangeSet, Row, Snapshot, Tables};
use haar_sim::Sim;
use haar_types::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Longest that an engine may stay asked for.
pub(crate) const ASKED_MAX: Duration = Duration::from_secs(20 * 60);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Status {
    Asked,
    Runs,
    GivenUp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EngineRow {
    pub(crate) name: String,
    pub(crate) status: Status,
    pub(crate) asked_at: Timestamp,
}

impl Row for EngineRow {
    type Key = String;
    const TABLE: &'static str = "toy.engine";

    fn key(&self) -> String {
        self.name.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if new.status < old.status => Err(format!("{:?}", new.status)),
            _ => Ok(()),
        }
    }
}

/// Runs engines; outlives the process.
#[derive(Clone, Default)]
pub(crate) struct Machine {
    state: Arc<Mutex<MachineState>>,
}

#[derive(Default)]
struct MachineState {
    running: BTreeSet<String>,
    trace: Vec<(String, Timestamp)>,
    outage_until: Option<Timestamp>,
}

impl Machine {
    pub(crate) fn outage_until(&self, until: Timestamp) {
        self.state.lock().outage_until = Some(until);
    }

    pub(crate) fn starts(&self) -> usize {
        self.state.lock().trace.len()
    }

    pub(crate) fn trace(&self) -> Vec<(String, Timestamp)> {
        self.state.lock().trace.clone()
    }

    /// Makes an engine run; the same name again only reports.
    async fn ensure(&self, name: &str, clock: &Clock) -> Result<(), ActError> {
        clock.sleep(Duration::from_millis(5)).await;
        self.start(name, clock.now())?;
        clock.sleep(Duration::from_millis(20)).await;
        Ok(())
    }

    fn start(&self, name: &str, now: Timestamp) -> Result<(), ActError> {
        let mut state = self.state.lock();
        if state.outage_until.is_some_and(|until| now < until) {
            return Err(ActError::transient("the machine does not answer"));
        }
        if state.running.insert(name.to_owned()) {
            state.trace.push((name.to_owned(), now));
        }
        Ok(())
    }
}

/// What the process keeps: its driver.
pub(crate) type Process = DriverHandle;

pub(crate) fn cloud() -> Sim<Machine, Process> {
    let tables = Tables::new().with::<EngineRow>();
    Sim::new(
        tables,
        |_| Machine::default(),
        |doors, machine: &Machine| {
            let cx = ActCx::new(doors.ledger.clone(), doors.clock.clone(), doors.ids.clone());
            Driver::new(cx).add(Arc::new(Engines { machine: machine.clone() })).run()
        },
    )
}

struct Engines {
    machine: Machine,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Start(String),
    GiveUp(String),
}

impl Controller for Engines {
    type Key = String;
    type Step = Step;
    const NAME: &'static str = "toy.engines";

    fn keys(&self, changes: &ChangeSet) -> Vec<String> {
        changes.keys::<EngineRow>()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<String> {
        snapshot.all::<EngineRow>().map(|row| row.name.clone()).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &String, now: Timestamp) -> Plan<Step> {
        let Some(row) = snapshot.get::<EngineRow>(key) else {
            return Plan::default();
        };
        let deadline = row.asked_at + ASKED_MAX;
        match row.status {
            Status::Asked if now >= deadline => Plan::step(Step::GiveUp(key.clone())),
            Status::Asked => Plan::step(Step::Start(key.clone())).wake_at(deadline),
            Status::Runs | Status::GivenUp => Plan::default(),
        }
    }

    async fn act(&self, step: Step, cx: &ActCx) -> Result<(), ActError> {
        let (name, status) = match step {
            Step::Start(name) => {
                self.machine.ensure(&name, &cx.clock).await?;
                (name, Status::Runs)
            }
            Step::GiveUp(name) => (name, Status::GivenUp),
        };
        let recorded = cx.ledger.write(|tx| {
            tx.update::<EngineRow>(&name, |row| row.status = status);
        });
        Ok(recorded.durable().await?)
    }
}
