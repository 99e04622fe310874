//! The rules of buses with their patterns compiled.

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_ledger::Snapshot;
use haar_pattern::{Dialect, Pattern};
use parking_lot::Mutex;
use serde_json::Value;

use crate::lookup::rules;
use crate::state::{BusKey, RuleRow};

/// The rules of one bus that look at events, as they stood at a version of the ledger.
#[derive(Debug, Default)]
pub(crate) struct Watching {
    version: u64,
    rules: Vec<(Arc<RuleRow>, Arc<Pattern>)>,
}

impl Watching {
    /// The rules that an event matches.
    pub(crate) fn matching<'a>(
        &'a self,
        event: &'a Value,
    ) -> impl Iterator<Item = &'a Arc<RuleRow>> + 'a {
        self.rules.iter().filter(|(_, pattern)| pattern.matches(event)).map(|(rule, _)| rule)
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
                        None => Arc::new(pattern_of(&rule)?),
                    };
                    Some((rule, pattern))
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

/// A rule's pattern was compiled when the rule was put: it compiles again.
fn pattern_of(rule: &RuleRow) -> Option<Pattern> {
    let text = rule.pattern.as_deref()?;
    Pattern::compile(text, &Dialect::EVENT_BUS)
        .inspect_err(|error| tracing::error!(%error, rule = rule.key.arn(), "a pattern is broken"))
        .ok()
}
