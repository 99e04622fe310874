//! The values of metric math.

use std::collections::BTreeMap;

/// Values at points in time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series {
    /// What the customer sees beside it.
    pub(crate) label: String,
    /// Distance of its points, in seconds.
    pub(crate) period_s: u32,
    /// By seconds since the epoch.
    pub(crate) points: BTreeMap<i64, f64>,
}

impl Series {
    /// The same series with other points. What is not a finite number is left out.
    pub(crate) fn with(&self, points: impl IntoIterator<Item = (i64, f64)>) -> Self {
        let points = points.into_iter().filter(|(_, value)| value.is_finite()).collect();
        Self { label: self.label.clone(), period_s: self.period_s, points }
    }

    /// Each value on its own.
    pub(crate) fn map(&self, each: impl Fn(f64) -> f64) -> Self {
        self.with(self.points.iter().map(|(at, value)| (*at, each(*value))))
    }

    /// Values at the points in time that both have.
    pub(crate) fn zip(&self, other: &Self, both: impl Fn(f64, f64) -> f64) -> Self {
        let period_s = self.period_s.max(other.period_s);
        let points = self
            .points
            .iter()
            .filter_map(|(at, left)| other.points.get(at).map(|right| (*at, both(*left, *right))));
        Self { period_s, ..self.with(points) }
    }
}

/// What an expression may stand for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// `S`.
    Scalar(f64),
    /// `TS`.
    One(Series),
    /// `TS[]`.
    Many(Vec<Series>),
    /// A quoted text or a bare word such as `REPEAT`; an argument only.
    Text(String),
}

impl Value {
    /// Applies a function to each number.
    pub(crate) fn map(&self, each: impl Fn(f64) -> f64) -> Option<Self> {
        self.each_series(|series| series.map(&each), &each)
    }

    /// Applies a function to each series, another to a scalar.
    pub(crate) fn each_series(
        &self,
        on_series: impl Fn(&Series) -> Series,
        on_scalar: impl Fn(f64) -> f64,
    ) -> Option<Self> {
        match self {
            Self::Scalar(value) => Some(Self::Scalar(on_scalar(*value))),
            Self::One(series) => Some(Self::One(on_series(series))),
            Self::Many(list) => Some(Self::Many(list.iter().map(on_series).collect())),
            Self::Text(_) => None,
        }
    }

    /// The series in it, of one or many.
    pub(crate) fn into_series(self) -> Option<Vec<Series>> {
        match self {
            Self::One(series) => Some(vec![series]),
            Self::Many(list) => Some(list),
            Self::Scalar(_) | Self::Text(_) => None,
        }
    }
}
