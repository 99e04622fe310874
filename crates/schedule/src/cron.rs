//! `cron(0 10 ? * MON-FRI *)`: minutes, hours, day of month, month, day of week, year.

mod days;

use haar_types::Timestamp;
use jiff::civil::{Date, DateTime};

use crate::error::BadSchedule;
use crate::field::{HOURS, MINUTES, MONTHS, Values, YEARS};
use crate::zone::Zone;
use days::Days;

/// A compiled cron expression.
#[derive(Clone, Debug)]
pub(crate) struct Cron {
    minutes: Values,
    hours: Values,
    days: Days,
    months: Values,
    years: Values,
}

impl Cron {
    /// Reads what stands in the brackets. A comma behind a field is let pass, as the service does.
    pub(crate) fn parse(text: &str) -> Result<Self, BadSchedule> {
        let fields: Vec<&str> =
            text.split_ascii_whitespace().map(|field| field.trim_end_matches(',')).collect();
        let [minutes, hours, day, month, weekday, year] = fields[..] else {
            return Err(BadSchedule::Expression);
        };
        Ok(Self {
            minutes: MINUTES.read(minutes)?,
            hours: HOURS.read(hours)?,
            days: Days::parse(day, weekday)?,
            months: MONTHS.read(month)?,
            years: YEARS.read(year)?,
        })
    }

    /// The first instant after `after`. Times that the zone's clocks leap over are left out, times
    /// that they show twice count once.
    pub(crate) fn next(&self, zone: &Zone, after: Timestamp) -> Option<Timestamp> {
        let from = zone.local(after);
        self.dates(from.date())
            .flat_map(|date| self.times(date, from))
            .filter_map(|local| zone.instant(local))
            .find(|at| *at > after)
    }

    /// The days that are meant, from `from` on.
    fn dates(&self, from: Date) -> impl Iterator<Item = Date> {
        let first = |unit: i16| u16::try_from(unit).unwrap_or(0);
        self.years
            .from(first(from.year()))
            .flat_map(|year| self.months.from(1).map(move |month| (year, month)))
            .filter_map(|(year, month)| {
                Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, 1).ok()
            })
            .filter(move |month| month.last_of_month() >= from)
            .flat_map(|month| self.days.of(month))
            .filter(move |date| *date >= from)
    }

    /// The times of a day that are meant, from the minute of `from` on.
    fn times(&self, date: Date, from: DateTime) -> impl Iterator<Item = DateTime> {
        let small = |value: u16| i8::try_from(value).unwrap_or(i8::MAX);
        let is_first = date == from.date();
        let hour_from = if is_first { u16::from(from.hour().unsigned_abs()) } else { 0 };
        let minute_from = u16::from(from.minute().unsigned_abs());
        self.hours
            .from(hour_from)
            .flat_map(move |hour| {
                let from = if is_first && hour == hour_from { minute_from } else { 0 };
                self.minutes.from(from).map(move |minute| (hour, minute))
            })
            .map(move |(hour, minute)| date.at(small(hour), small(minute), 0, 0))
    }
}
