//! Units of metric values.

/// A `StandardUnit`, by its place in AWS's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unit(u8);

/// In the order of AWS's list.
const NAMES: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

impl Unit {
    /// `None`, the unit of values that name none.
    pub(crate) const NONE: Self = Self(26);

    /// Finds a unit by its name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let at = NAMES.iter().position(|known| *known == name)?;
        u8::try_from(at).ok().map(Self)
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }

    /// Its place in the list, for keys.
    pub(crate) fn index(self) -> u8 {
        self.0
    }

    /// The unit at a place in the list.
    pub(crate) fn from_index(index: u8) -> Option<Self> {
        (usize::from(index) < NAMES.len()).then_some(Self(index))
    }
}
