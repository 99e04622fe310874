//! One field of a cron expression: which values it holds.

use crate::error::BadSchedule;

/// What values a field may have, and their names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Domain {
    pub(crate) first: u16,
    pub(crate) last: u16,
    /// Names of the values, from the first on.
    pub(crate) names: &'static [&'static str],
}

pub(crate) const MINUTES: Domain = Domain { first: 0, last: 59, names: &[] };
pub(crate) const HOURS: Domain = Domain { first: 0, last: 23, names: &[] };
pub(crate) const DAYS: Domain = Domain { first: 1, last: 31, names: &[] };
pub(crate) const MONTHS: Domain = Domain {
    first: 1,
    last: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};
pub(crate) const WEEKDAYS: Domain =
    Domain { first: 1, last: 7, names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] };
pub(crate) const YEARS: Domain = Domain { first: 1970, last: 2199, names: &[] };

/// The values that a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Values {
    first: u16,
    held: Vec<bool>,
}

impl Values {
    pub(crate) fn none(domain: Domain) -> Self {
        Self { first: domain.first, held: vec![false; usize::from(domain.last - domain.first) + 1] }
    }

    pub(crate) fn holds(&self, value: u16) -> bool {
        value
            .checked_sub(self.first)
            .and_then(|at| self.held.get(usize::from(at)))
            .is_some_and(|held| *held)
    }

    /// The values from `from` on, ascending.
    pub(crate) fn from(&self, from: u16) -> impl Iterator<Item = u16> {
        (self.first..).zip(&self.held).filter(move |(at, held)| **held && *at >= from).map(|v| v.0)
    }

    /// Reads `*`, `5`, `1-5`, `0/15`, `MON-FRI`, each also with an increment.
    pub(crate) fn add(&mut self, text: &str, domain: Domain) -> Result<(), BadSchedule> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(domain.number(step)?)),
            None => (text, None),
        };
        let (start, end) = match (range, range.split_once('-'), step) {
            ("*", ..) | ("", _, Some(_)) => (domain.first, domain.last),
            (_, Some((start, end)), _) => (domain.value(start)?, domain.value(end)?),
            (start, None, Some(_)) => (domain.value(start)?, domain.last),
            (value, None, None) => (domain.value(value)?, domain.value(value)?),
        };
        let step = step.unwrap_or(1);
        if step == 0 {
            return Err(BadSchedule::Expression);
        }
        self.mark(start, end, step, domain);
        Ok(())
    }

    /// A range whose end lies before its start goes around: `FRI-MON`.
    fn mark(&mut self, start: u16, end: u16, step: u16, domain: Domain) {
        let size = domain.last - domain.first + 1;
        let end = if end < start { end + size } else { end };
        for value in (start..=end).step_by(usize::from(step)) {
            let at = usize::from(value - domain.first) % usize::from(size);
            if let Some(held) = self.held.get_mut(at) {
                *held = true;
            }
        }
    }
}

impl Domain {
    /// Reads the whole of a field that lists values.
    pub(crate) fn read(self, text: &str) -> Result<Values, BadSchedule> {
        let mut values = Values::none(self);
        for part in text.split(',') {
            values.add(part, self)?;
        }
        Ok(values)
    }

    /// A number or a name within the domain.
    pub(crate) fn value(self, text: &str) -> Result<u16, BadSchedule> {
        let named = self.names.iter().zip(self.first..).find(|n| n.0.eq_ignore_ascii_case(text));
        let value = match named {
            Some((_, value)) => value,
            None => self.number(text)?,
        };
        if (self.first..=self.last).contains(&value) {
            Ok(value)
        } else {
            Err(BadSchedule::Expression)
        }
    }

    fn number(self, text: &str) -> Result<u16, BadSchedule> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BadSchedule::Expression);
        }
        text.parse().map_err(|_| BadSchedule::Expression)
    }
}
