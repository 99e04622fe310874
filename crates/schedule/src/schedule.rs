//! A schedule: an expression in a time zone.

use std::time::Duration;

use haar_types::Timestamp;
use jiff::civil::DateTime;

use crate::cron::Cron;
use crate::error::BadSchedule;
use crate::rate;
use crate::zone::Zone;

/// When something is due, compiled.
#[derive(Clone, Debug)]
pub struct Schedule {
    expression: Expression,
    zone: Zone,
}

#[derive(Clone, Debug)]
enum Expression {
    Rate(Duration),
    Cron(Box<Cron>),
    At(DateTime),
}

/// The kinds of schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `rate(…)`: again and again, from an anchor on.
    Rate(Duration),
    /// `cron(…)`: at times of a calendar.
    Cron,
    /// `at(…)`: once.
    Once,
}

impl Schedule {
    /// Reads the expression of an EventBridge rule: `rate` with the unit's number agreeing, or
    /// `cron` in UTC.
    ///
    /// # Errors
    /// [`BadSchedule::Expression`].
    pub fn of_rule(text: &str) -> Result<Self, BadSchedule> {
        let expression = match call(text)? {
            ("rate", inner) => Expression::Rate(rate::parse(inner, true)?),
            ("cron", inner) => Expression::Cron(Box::new(Cron::parse(inner)?)),
            _ => return Err(BadSchedule::Expression),
        };
        Ok(Self { expression, zone: Zone::utc() })
    }

    /// Reads the expression of EventBridge Scheduler: `rate`, `cron` or `at`, in a time zone.
    ///
    /// # Errors
    /// [`BadSchedule::Expression`].
    pub fn in_zone(text: &str, zone: Zone) -> Result<Self, BadSchedule> {
        let expression = match call(text)? {
            ("rate", inner) => Expression::Rate(rate::parse(inner, false)?),
            ("cron", inner) => Expression::Cron(Box::new(Cron::parse(inner)?)),
            ("at", inner) => Expression::At(parse_at(inner)?),
            _ => return Err(BadSchedule::Expression),
        };
        Ok(Self { expression, zone })
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self.expression {
            Expression::Rate(period) => Kind::Rate(period),
            Expression::Cron(_) => Kind::Cron,
            Expression::At(_) => Kind::Once,
        }
    }

    /// The first instant after `after`; a rate is due at `anchor` and every period from there on.
    pub fn next(&self, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        match &self.expression {
            Expression::Rate(_) if after < anchor => Some(anchor),
            Expression::Rate(period) => {
                let period = i64::try_from(period.as_millis()).ok()?;
                let periods = (after.0 - anchor.0) / period + 1;
                periods.checked_mul(period)?.checked_add(anchor.0).map(Timestamp)
            }
            Expression::Cron(cron) => cron.next(&self.zone, after),
            Expression::At(local) => self.zone.instant_or_later(*local).filter(|at| *at > after),
        }
    }
}

/// `name(inner)`.
fn call(text: &str) -> Result<(&str, &str), BadSchedule> {
    let open = text.strip_suffix(')').ok_or(BadSchedule::Expression)?;
    open.split_once('(').ok_or(BadSchedule::Expression)
}

/// `2026-11-20T13:00:00`, without an offset.
fn parse_at(text: &str) -> Result<DateTime, BadSchedule> {
    const FORM: &str = "dddd-dd-ddTdd:dd:dd";
    let fits = text.len() == FORM.len()
        && text.bytes().zip(FORM.bytes()).all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            form => byte == form,
        });
    if !fits {
        return Err(BadSchedule::Expression);
    }
    text.parse().map_err(|_| BadSchedule::Expression)
}
