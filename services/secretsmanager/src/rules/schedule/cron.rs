//! Six fields: minutes, hours, day of the month, month, day of the week, year. Minutes are always
//! 0 and years any, as Secrets Manager wants them; all is in UTC.

use std::collections::BTreeSet;

use haar_types::Timestamp;
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
/// A schedule that fits no day in so many days fits none: leap days come after eight years at most.
const DAYS_AHEAD: i32 = 8 * 366 + 1;

/// A calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    hours: BTreeSet<i8>,
    days: Days,
    months: BTreeSet<i8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Days {
    /// Of the month.
    Month(BTreeSet<i8>),
    /// The month's last.
    Last,
    /// Of the week, from 1 for Sunday.
    Week(BTreeSet<i8>),
    /// `6#3`: the third Friday of the month.
    Nth(i8, i8),
    /// `6L`: the last Friday of the month.
    LastWeekday(i8),
}

impl Cron {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, day, month, weekday, year] = fields.as_slice() else { return None };
        if *minutes != "0" || *year != "*" {
            return None;
        }
        let hours = set(hours, (0, 23), &[])?;
        let months = set(month, (1, 12), &MONTHS)?;
        // one of the two days says nothing
        let days = match (*day, *weekday) {
            ("?", "?") => return None,
            ("L", "?") => Days::Last,
            (day, "?" | "*") => Days::Month(set(day, (1, 31), &[])?),
            ("?" | "*", weekday) => of_week(weekday)?,
            _ => return None,
        };
        Some(Self { hours, days, months })
    }

    /// The first time after another.
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let first = after.jiff().to_zoned(TimeZone::UTC).date();
        for ahead in 0..DAYS_AHEAD {
            let date = first.checked_add(ahead.days()).ok()?;
            if !self.months.contains(&date.month()) || !self.days.fit(date) {
                continue;
            }
            for hour in &self.hours {
                let at = date.at(*hour, 0, 0, 0).to_zoned(TimeZone::UTC).ok()?;
                let at = Timestamp(at.timestamp().as_millisecond());
                if at > after {
                    return Some(at);
                }
            }
        }
        None
    }
}

impl Days {
    fn fit(&self, date: Date) -> bool {
        let weekday = date.weekday().to_sunday_one_offset();
        let is_last_week = date.day() + 7 > date.days_in_month();
        match self {
            Self::Month(days) => days.contains(&date.day()),
            Self::Last => date.day() == date.days_in_month(),
            Self::Week(days) => days.contains(&weekday),
            Self::Nth(day, nth) => weekday == *day && (date.day() - 1) / 7 + 1 == *nth,
            Self::LastWeekday(day) => weekday == *day && is_last_week,
        }
    }
}

fn of_week(text: &str) -> Option<Days> {
    if let Some((day, nth)) = text.split_once('#') {
        let nth: i8 = nth.parse().ok().filter(|nth| (1..=5).contains(nth))?;
        return Some(Days::Nth(one(day, (1, 7), &WEEKDAYS)?, nth));
    }
    if let Some(day) = text.strip_suffix('L').filter(|day| !day.is_empty()) {
        return Some(Days::LastWeekday(one(day, (1, 7), &WEEKDAYS)?));
    }
    Some(Days::Week(set(text, (1, 7), &WEEKDAYS)?))
}

/// Lists of values, ranges and steps: `1,15`, `MON-FRI`, `*`, `8/4`.
fn set(text: &str, bounds: (i8, i8), names: &[&str]) -> Option<BTreeSet<i8>> {
    let mut all = BTreeSet::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<usize>().ok().filter(|it| *it > 0)?)),
            None => (part, None),
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (one(first, bounds, names)?, one(last, bounds, names)?),
            None if range == "*" => bounds,
            None => {
                let first = one(range, bounds, names)?;
                (first, if step.is_some() { bounds.1 } else { first })
            }
        };
        if first > last {
            return None;
        }
        all.extend((first..=last).step_by(step.unwrap_or(1)));
    }
    Some(all)
}

/// A number within its bounds, or a name.
fn one(text: &str, bounds: (i8, i8), names: &[&str]) -> Option<i8> {
    if let Some(at) = names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
        return i8::try_from(at + 1).ok();
    }
    text.parse::<i8>().ok().filter(|number| (bounds.0..=bounds.1).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(expression: &str, after: &str) -> Option<String> {
        let after: jiff::Timestamp = after.parse().unwrap();
        let next = Cron::parse(expression)?.next(Timestamp(after.as_millisecond()))?;
        Some(next.jiff().to_string())
    }

    #[test]
    fn a_calendar_tells_the_next_time() {
        // 2027-01-15 is a Friday.
        for (expression, expected) in [
            ("0 16 * * ? *", "2027-01-15T16:00:00Z"),
            ("0 8 * * ? *", "2027-01-16T08:00:00Z"),
            ("0 /6 * * ? *", ""),
            ("0 0/6 * * ? *", "2027-01-15T12:00:00Z"),
            ("0 8,10 15,16 * ? *", "2027-01-15T10:00:00Z"),
            ("0 0 1 * ? *", "2027-02-01T00:00:00Z"),
            ("0 0 L * ? *", "2027-01-31T00:00:00Z"),
            ("0 0 29 FEB ? *", "2028-02-29T00:00:00Z"),
            ("0 0 ? * MON-WED *", "2027-01-18T00:00:00Z"),
            ("0 0 ? * 2#1 *", "2027-02-01T00:00:00Z"),
            ("0 0 ? * 6L *", "2027-01-29T00:00:00Z"),
            ("0 0 31 2 ? *", ""),
            ("5 0 1 * ? *", ""),
            ("0 0 1 * ? 2027", ""),
            ("0 24 1 * ? *", ""),
            ("0 0 ? * ? *", ""),
            ("0 0 1 * MON *", ""),
            ("0 0 1 *", ""),
        ] {
            let found = next(expression, "2027-01-15T08:00:00Z").unwrap_or_default();
            assert_eq!(found, expected, "{expression}");
        }
    }
}
