//! Which days of a month are meant: by their number, or by their place in the week.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

use crate::error::BadSchedule;
use crate::field::{DAYS, Values, WEEKDAYS};

/// The days of a month.
#[derive(Clone, Debug)]
pub(crate) enum Days {
    /// By number, and by what is counted from the month's end or to its workdays.
    OfMonth { numbers: Values, special: Vec<Special> },
    /// By the weekday, from Sunday, the first; and by its place in the month.
    OfWeek { weekdays: Values, places: Vec<Place> },
}

/// A day of the month that has no number of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    /// `L`: the last day.
    Last,
    /// `LW`: the last workday.
    LastWorkday,
    /// `3W`: the workday nearest to the third, in the same month.
    NearestWorkday(i8),
}

/// A weekday's place in the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `6L`: the last Friday.
    Last(u16),
    /// `3#2`: the second Tuesday.
    Nth(u16, i8),
}

impl Days {
    /// Reads day of month and day of week, of which exactly one is `?`.
    pub(crate) fn parse(day: &str, weekday: &str) -> Result<Self, BadSchedule> {
        match (day, weekday) {
            ("?", "?") => Err(BadSchedule::Expression),
            (day, "?") => Self::of_month(day),
            ("?", weekday) => Self::of_week(weekday),
            _ => Err(BadSchedule::Expression),
        }
    }

    fn of_month(text: &str) -> Result<Self, BadSchedule> {
        let (mut numbers, mut special) = (Values::none(DAYS), Vec::new());
        for part in text.split(',') {
            match (part, part.strip_suffix('W')) {
                ("L", _) => special.push(Special::Last),
                ("LW", _) => special.push(Special::LastWorkday),
                (_, Some(day)) => {
                    let day = i8::try_from(DAYS.value(day)?).unwrap_or(i8::MAX);
                    special.push(Special::NearestWorkday(day));
                }
                (part, None) => numbers.add(part, DAYS)?,
            }
        }
        Ok(Self::OfMonth { numbers, special })
    }

    fn of_week(text: &str) -> Result<Self, BadSchedule> {
        if let Some((weekday, place)) = text.split_once('#') {
            let nth = match place.parse::<i8>() {
                Ok(nth @ 1..=5) => nth,
                _ => return Err(BadSchedule::Expression),
            };
            let places = vec![Place::Nth(WEEKDAYS.value(weekday)?, nth)];
            return Ok(Self::OfWeek { weekdays: Values::none(WEEKDAYS), places });
        }
        let (mut weekdays, mut places) = (Values::none(WEEKDAYS), Vec::new());
        for part in text.split(',') {
            match part.strip_suffix('L') {
                // The last day of the week.
                Some("") => weekdays.add("SAT", WEEKDAYS)?,
                Some(weekday) => places.push(Place::Last(WEEKDAYS.value(weekday)?)),
                None => weekdays.add(part, WEEKDAYS)?,
            }
        }
        Ok(Self::OfWeek { weekdays, places })
    }

    /// The days of the month that begins at `first`, ascending.
    pub(crate) fn of(&self, first: Date) -> impl Iterator<Item = Date> {
        let days = (0..first.days_in_month()).filter_map(move |n| first.checked_add(n.days()).ok());
        days.filter(move |date| self.holds(*date))
    }

    fn holds(&self, date: Date) -> bool {
        match self {
            Self::OfMonth { numbers, special } => {
                numbers.holds(u16::from(date.day().unsigned_abs()))
                    || special.iter().any(|special| special.is(date))
            }
            Self::OfWeek { weekdays, places } => {
                let weekday = number(date.weekday());
                weekdays.holds(weekday) || places.iter().any(|place| place.is(date, weekday))
            }
        }
    }
}

impl Special {
    fn is(self, date: Date) -> bool {
        let last = date.last_of_month();
        match self {
            Self::Last => date == last,
            Self::LastWorkday => date == nearest_workday(last),
            Self::NearestWorkday(day) => {
                date.with().day(day).build().is_ok_and(|meant| date == nearest_workday(meant))
            }
        }
    }
}

impl Place {
    fn is(self, date: Date, weekday: u16) -> bool {
        match self {
            Self::Last(meant) => weekday == meant && date.day() + 7 > date.days_in_month(),
            Self::Nth(meant, nth) => weekday == meant && (date.day() - 1) / 7 + 1 == nth,
        }
    }
}

/// From Sunday, 1, to Saturday, 7.
fn number(weekday: Weekday) -> u16 {
    u16::from(weekday.to_sunday_one_offset().unsigned_abs())
}

/// The workday nearest to a day, within its month.
fn nearest_workday(day: Date) -> Date {
    let away = match (day.weekday(), day.day()) {
        (Weekday::Saturday, 1) => 2,
        (Weekday::Saturday, _) => -1,
        (Weekday::Sunday, number) if number == day.days_in_month() => -2,
        (Weekday::Sunday, _) => 1,
        _ => 0,
    };
    day.checked_add(away.days()).unwrap_or(day)
}
