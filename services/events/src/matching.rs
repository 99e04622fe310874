//! The rules of buses with their patterns compiled.

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_ledger::Snapshot;
use haar_pattern::{Dialect, Pattern};
use parking_lot::Mutex;
use serde_json::Value;

use crate::lookup::rules;
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

/// Compiled rules by bus. In memory: made again from the rows at any time.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    buses: Mutex<BTreeMap<BusKey, Arc<Watching>>>,
}

impl Compiled {
    /// The watching rules of a bus; patterns of rows that did not change are kept.
    pub(crate) fn of(&self, snapshot: &Snapshot, bus: &BusKey) -> Arc<Watching> {
        let known = self.buses.lock().get(bus).cloned().unwrap_or_default();
        if known.version == snapshot.version() && known.version > 0 {
            return known;
        }
        let watching = Arc::new(Watching {
            version: snapshot.version(),
            rules: rules(snapshot, bus)
                .filter(|rule| rule.is_enabled())
                .filter_map(|rule| {
                    let same = known.rules.iter().find(|(kept, _)| Arc::ptr_eq(kept, &rule));
                    let pattern = match same {
                        Some((_, pattern)) => Arc::clone(pattern),
                        None => Arc::new(compiled(rule.pattern.as_deref()?)?),
                    };
                    Some((rule, pattern))
                })
                .collect(),
            archives: snapshot
                .by_index::<ArchiveRow>("source", &bus.arn())
                .map(|row| {
                    let same = known.archives.iter().find(|(kept, _)| Arc::ptr_eq(kept, &row));
                    let pattern = match same {
                        Some((_, pattern)) => pattern.clone(),
                        None => row.pattern.as_deref().and_then(compiled).map(Arc::new),
                    };
                    (row, pattern)
                })
                .collect(),
        });
        self.buses.lock().insert(bus.clone(), Arc::clone(&watching));
        watching
    }

    pub(crate) fn clear(&self) {
        self.buses.lock().clear();
    }
}

/// A pattern that was compiled when it was put: it compiles again.
fn compiled(text: &str) -> Option<Pattern> {
    Pattern::compile(text, &Dialect::EVENT_BUS)
        .inspect_err(|error| tracing::error!(%error, "a pattern is broken"))
        .ok()
}
