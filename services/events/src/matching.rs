//! The rules of buses with their patterns compiled.

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_ledger::Snapshot;
use haar_pattern::{Dialect, Pattern};
use parking_lot::Mutex;
use serde_json::Value;

use crate::lookup::{get_bus, rules};
use crate::state::{ArchiveRow, BusKey, RuleRow};

/// The rules of one bus that look at events, as they stood at a version of the ledger.
#[derive(Debug, Default)]
pub(crate) struct Watching {
    version: u64,
    rules: Vec<(Arc<RuleRow>, Arc<Pattern>)>,
    archives: Vec<(Arc<ArchiveRow>, Option<Arc<Pattern>>)>,
}

impl Watching {
    /// The rules that an event matches.
    pub(crate) fn matching<'a>(
        &'a self,
        event: &'a Value,
    ) -> impl Iterator<Item = &'a Arc<RuleRow>> + 'a {
        self.rules.iter().filter(|(_, pattern)| pattern.matches(event)).map(|(rule, _)| rule)
    }

    /// The archives that keep an event.
    pub(crate) fn keeping<'a>(
        &'a self,
        event: &'a Value,
    ) -> impl Iterator<Item = &'a Arc<ArchiveRow>> + 'a {
        let keeps = |pattern: &Option<Arc<Pattern>>| {
            pattern.as_ref().is_none_or(|pattern| pattern.matches(event))
        };
        self.archives.iter().filter(move |(_, pattern)| keeps(pattern)).map(|(row, _)| row)
    }
}

/// Compiled rules by bus. In memory: made again from the rows at any time. What is kept of a bus
/// that is gone goes with its deletion, or when a new one comes.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    buses: Mutex<BTreeMap<BusKey, Arc<Watching>>>,
}

impl Compiled {
    /// The watching rules of a bus. One look at the rows for each version of the ledger; patterns
    /// are compiled for rows that changed alone.
    pub(crate) fn of(&self, snapshot: &Snapshot, bus: &BusKey) -> Arc<Watching> {
        let known = self.buses.lock().get(bus).cloned().unwrap_or_default();
        if known.version == snapshot.version() && known.version > 0 {
            return known;
        }
        let kept = Kept::of(&known.rules);
        let enabled = rules(snapshot, bus).filter(|rule| rule.is_enabled());
        let of_rule = |rule: Arc<RuleRow>| {
            let pattern = match kept.get(&rule) {
                Some(pattern) => Arc::clone(pattern),
                None => Arc::new(compiled(rule.pattern.as_deref()?)?),
            };
            Some((rule, pattern))
        };
        let rules = enabled.filter_map(of_rule).collect();
        let kept = Kept::of(&known.archives);
        let of_archive = |row: Arc<ArchiveRow>| {
            let pattern = match kept.get(&row) {
                Some(pattern) => pattern.clone(),
                None => row.pattern.as_deref().and_then(compiled).map(Arc::new),
            };
            (row, pattern)
        };
        let archives = snapshot.by_index::<ArchiveRow>("source", &bus.arn());
        let archives = archives.map(of_archive).collect();
        let watching = Arc::new(Watching { version: snapshot.version(), rules, archives });
        self.keep(snapshot, bus, &watching);
        watching
    }

    fn keep(&self, snapshot: &Snapshot, bus: &BusKey, watching: &Arc<Watching>) {
        let is_there = get_bus(snapshot, bus).is_some();
        let mut buses = self.buses.lock();
        if !is_there {
            buses.remove(bus);
        } else if buses.insert(bus.clone(), Arc::clone(watching)).is_none() {
            buses.retain(|known, _| get_bus(snapshot, known).is_some());
        }
    }

    /// Forgets a bus that is about to go.
    pub(crate) fn forget(&self, bus: &BusKey) {
        self.buses.lock().remove(bus);
    }

    pub(crate) fn clear(&self) {
        self.buses.lock().clear();
    }
}

/// Whether any rule or archive looks at what comes onto a bus.
pub(crate) fn is_watched(snapshot: &Snapshot, bus: &BusKey) -> bool {
    rules(snapshot, bus).any(|rule| rule.is_enabled() && rule.pattern.is_some())
        || snapshot.by_index::<ArchiveRow>("source", &bus.arn()).next().is_some()
}

/// What was made of rows before, by the rows themselves: a row that changed is another one.
struct Kept<'a, R, P>(BTreeMap<*const R, &'a P>);

impl<'a, R, P> Kept<'a, R, P> {
    fn of(all: &'a [(Arc<R>, P)]) -> Self {
        Self(all.iter().map(|(row, made)| (Arc::as_ptr(row), made)).collect())
    }

    fn get(&self, row: &Arc<R>) -> Option<&'a P> {
        self.0.get(&Arc::as_ptr(row)).copied()
    }
}

/// A pattern that was compiled when it was put: it compiles again.
fn compiled(text: &str) -> Option<Pattern> {
    Pattern::compile(text, &Dialect::EVENT_BUS)
        .inspect_err(|error| tracing::error!(%error, "a pattern is broken"))
        .ok()
}

#[cfg(test)]
mod tests {
    use haar_ledger::Ledger;
    use haar_types::{AccountId, Region, Timestamp};

    use super::*;
    use crate::state::BusRow;

    fn bus(name: &str) -> BusKey {
        let (account, region) = (AccountId::default(), Region::default());
        BusKey { account, region, name: name.to_owned() }
    }

    #[test]
    fn only_buses_that_are_there_are_kept() {
        let ledger = Ledger::ephemeral(crate::state::tables());
        let compiled = Compiled::default();
        let look = |name: &str| {
            compiled.of(&ledger.snapshot(), &bus(name));
            compiled.buses.lock().keys().map(|key| key.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(look("a"), Vec::<String>::new());
        for name in ["a", "b"] {
            ledger.write(|tx| tx.put(BusRow::new(bus(name), Timestamp(0)))).early().unwrap();
        }
        assert_eq!(look("a"), ["a"]);
        assert_eq!(look("default"), ["a", "default"]);
        ledger.write(|tx| drop(tx.remove::<BusRow>(&bus("a")))).early().unwrap();
        assert_eq!(look("b"), ["b", "default"]);
        ledger.write(|tx| drop(tx.remove::<BusRow>(&bus("b")))).early().unwrap();
        assert_eq!(look("b"), ["default"]);
    }
}
