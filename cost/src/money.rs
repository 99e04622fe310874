//! Sums of money that are exact until they are printed.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul};
use std::str::FromStr;

/// US dollars, in units of 1e-25.
///
/// A price has at most 12 decimals, and a quantity in MiB-milliseconds becomes GB-seconds by a
/// division by 1,024,000 = 2^13 · 5^3, which takes 13 more: so every charge is a whole number
/// of these units, up to 1.7e13 dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dollars(i128);

/// Decimals that a price may have.
const PRICE_DECIMALS: usize = 12;
const UNITS_PER_DOLLAR: i128 = 10_i128.pow(25);
const UNITS_PER_PRICE: i128 = 10_i128.pow(13);

/// MiB-milliseconds in one GB-second; AWS's GB is 1,024 MB.
pub(crate) const MIB_MS_PER_GB_SECOND: u128 = 1024 * 1000;

/// A price, in 1e-12 dollars for one unit of what is sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price(i128);

impl FromStr for Price {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("{text} is not a price with at most 12 decimals");
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{decimals:0<PRICE_DECIMALS$}");
        let legal = decimals.len() <= PRICE_DECIMALS && !whole.is_empty();
        if !legal || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refused());
        }
        digits.parse().map(Self).map_err(|_| refused())
    }
}

impl Price {
    /// What so many whole units cost.
    pub(crate) fn times(self, units: u128) -> Dollars {
        Dollars(self.0 * UNITS_PER_PRICE) * units
    }

    /// What a part of one unit costs, rounded down to 1e-18 dollars.
    pub(crate) fn times_part(self, part: u128, whole: u128) -> Dollars {
        const FINE: i128 = 1_000_000;
        let part = i128::try_from(part).unwrap_or(i128::MAX);
        let whole = i128::try_from(whole).unwrap_or(i128::MAX).max(1);
        let fine = (self.0 * FINE).saturating_mul(part) / whole;
        Dollars(fine.saturating_mul(UNITS_PER_PRICE / FINE))
    }

    /// What so many MiB-milliseconds cost, the price being for one GB-second.
    pub(crate) fn times_mib_ms(self, mib_ms: u128) -> Dollars {
        // 1e13 / 1,024,000 is the whole number 9,765,625.
        Dollars(self.0 * (UNITS_PER_PRICE / MIB_MS_PER_GB_SECOND as i128)) * mib_ms
    }
}

impl Dollars {
    /// With so many decimals, half a unit rounded up.
    pub fn rounded(self, decimals: usize) -> String {
        let decimals = decimals.min(25);
        let step = 10_i128.pow(25 - u32::try_from(decimals).unwrap_or(25));
        let units = (self.0 + step / 2).div_euclid(step);
        let scale = UNITS_PER_DOLLAR / step;
        let (whole, rest) = (units / scale, units % scale);
        if decimals == 0 { whole.to_string() } else { format!("{whole}.{rest:0decimals$}") }
    }
}

impl FromStr for Dollars {
    type Err = String;

    /// Reads back what `Display` wrote.
    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("{text} is not a sum of dollars");
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{decimals:0<25}");
        if decimals.len() > 25 || whole.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refused());
        }
        digits.parse().map(Self).map_err(|_| refused())
    }
}

impl fmt::Display for Dollars {
    /// All decimals, but at least two.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = self.rounded(25);
        let trimmed = exact.trim_end_matches('0').len();
        let shortest = exact.find('.').map_or(exact.len(), |point| point + 3);
        f.write_str(&exact[..trimmed.max(shortest)])
    }
}

impl Add for Dollars {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Dollars {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Mul<u128> for Dollars {
    type Output = Self;

    fn mul(self, count: u128) -> Self {
        Self(self.0.saturating_mul(i128::try_from(count).unwrap_or(i128::MAX)))
    }
}

impl Sum for Dollars {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_gb_second_costs_its_price_and_a_mib_millisecond_its_exact_part() {
        let price: Price = "0.0000166667".parse().unwrap();
        assert_eq!(price.times_mib_ms(MIB_MS_PER_GB_SECOND).to_string(), "0.0000166667");
        assert_eq!(price.times_mib_ms(128).to_string(), "0.0000000020833375");
        assert_eq!(price.times_mib_ms(1).to_string(), "0.00000000001627607421875");
        let request: Price = "0.0000002".parse().unwrap();
        assert_eq!(request.times(1_000_000).to_string(), "0.20");
    }

    #[test]
    fn money_is_rounded_at_print_only() {
        let sum = "0.0000166667".parse::<Price>().unwrap().times(3);
        assert_eq!(sum.to_string(), "0.0000500001");
        assert_eq!(
            (sum.rounded(4), sum.rounded(2), sum.rounded(0)),
            ("0.0001".into(), "0.00".into(), "0".into())
        );
    }

    #[test]
    fn what_is_no_price_is_refused() {
        for text in ["", ".5", "-1", "1e3", "0.0000000000001", "1.2.3"] {
            assert!(text.parse::<Price>().is_err(), "{text}");
        }
    }
}
