//! Numbers of 38 decimal digits. AWS docs: *Developer Guide > Supported data types > Number*.

use std::cmp::Ordering;
use std::fmt;

/// Significant digits at most.
const DIGITS_MAX: usize = 38;

/// Power of ten of the first digit at most: 9.99…E+125.
const MAGNITUDE_MAX: i32 = 125;

/// Power of ten of the first digit at least: 1E-130.
const MAGNITUDE_MIN: i32 = -130;

/// A decimal number in normal form: its digits have no zero at either end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Number {
    /// The digits with their sign; zero has none.
    digits: i128,
    /// The power of ten of the last digit.
    exponent: i16,
}

/// Why a text or a result is no number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NumberError {
    /// Not written as a number.
    Malformed(String),
    /// More than 38 significant digits.
    TooPrecise,
    /// Beyond 9.99…E+125.
    Overflow,
    /// Nearer to zero than 1E-130.
    Underflow,
}

impl fmt::Display for NumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(text) if text.is_empty() => {
                f.write_str("The parameter cannot be converted to a numeric value")
            }
            Self::Malformed(text) => {
                write!(f, "The parameter cannot be converted to a numeric value: {text}")
            }
            Self::TooPrecise => {
                f.write_str("Attempting to store more than 38 significant digits in a Number")
            }
            Self::Overflow => f.write_str(
                "Number overflow. Attempting to store a number with magnitude larger than \
                 supported range",
            ),
            Self::Underflow => f.write_str(
                "Number underflow. Attempting to store a number with magnitude smaller than \
                 supported range",
            ),
        }
    }
}

impl Number {
    /// Zero.
    pub(crate) const ZERO: Self = Self { digits: 0, exponent: 0 };

    /// Reads a number as customers write it: `-12.50`, `1e10`, `+.5`.
    pub(crate) fn parse(text: &str) -> Result<Self, NumberError> {
        let malformed = || NumberError::Malformed(text.to_owned());
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], parse_exponent(&text[at + 1..]).ok_or_else(malformed)?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.as_bytes().first() {
            Some(b'-') => (true, &mantissa[1..]),
            Some(b'+') => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
            return Err(malformed());
        }
        let digits: Vec<u8> =
            whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0').collect();
        Self::of_digits(negative, &digits, exponent.saturating_sub(len(fraction.len())))
    }

    /// A whole number.
    pub(crate) fn of(value: i64) -> Self {
        Self::normal(i128::from(value), 0)
    }

    /// The parts that [`Self::of_parts`] takes.
    pub(crate) fn parts(self) -> (i128, i16) {
        (self.digits, self.exponent)
    }

    /// A number that was taken apart.
    pub(crate) fn of_parts(digits: i128, exponent: i16) -> Self {
        Self { digits, exponent }
    }

    fn normal(mut digits: i128, mut exponent: i16) -> Self {
        if digits == 0 {
            return Self::ZERO;
        }
        while digits % 10 == 0 {
            digits /= 10;
            exponent += 1;
        }
        Self { digits, exponent }
    }

    /// Digits, most significant first, whose last has the power `exponent`.
    fn of_digits(negative: bool, digits: &[u8], exponent: i32) -> Result<Self, NumberError> {
        let Some(first) = digits.iter().position(|digit| *digit != 0) else {
            return Ok(Self::ZERO);
        };
        let last = digits.iter().rposition(|digit| *digit != 0).unwrap_or(first);
        let significant = &digits[first..=last];
        let exponent = exponent.saturating_add(len(digits.len() - 1 - last));
        let magnitude = exponent.saturating_add(len(significant.len() - 1));
        if magnitude > MAGNITUDE_MAX {
            return Err(NumberError::Overflow);
        }
        if magnitude < MAGNITUDE_MIN {
            return Err(NumberError::Underflow);
        }
        if significant.len() > DIGITS_MAX {
            return Err(NumberError::TooPrecise);
        }
        let value = significant.iter().fold(0_i128, |sum, digit| sum * 10 + i128::from(*digit));
        let exponent = i16::try_from(exponent).map_err(|_| NumberError::Overflow)?;
        Ok(Self { digits: if negative { -value } else { value }, exponent })
    }

    /// How many significant digits it has.
    pub(crate) fn precision(self) -> usize {
        digit_count(self.digits.unsigned_abs())
    }

    /// True below zero.
    pub(crate) fn is_negative(self) -> bool {
        self.digits < 0
    }

    /// The sum.
    pub(crate) fn plus(self, other: Self) -> Result<Self, NumberError> {
        if self.digits == 0 {
            return Ok(other);
        }
        if other.digits == 0 {
            return Ok(self);
        }
        let (high, low) =
            if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        let shift = (high.exponent - low.exponent) as usize;
        if shift > 2 * DIGITS_MAX {
            return Err(NumberError::TooPrecise);
        }
        let mut wide = decimal(high.digits.unsigned_abs());
        wide.extend(std::iter::repeat_n(0, shift));
        let narrow = decimal(low.digits.unsigned_abs());
        let exponent = i32::from(low.exponent);
        if high.is_negative() == low.is_negative() {
            return Self::of_digits(high.is_negative(), &sum(&wide, &narrow), exponent);
        }
        match compare_digits(&wide, &narrow) {
            Ordering::Equal => Ok(Self::ZERO),
            Ordering::Greater => {
                Self::of_digits(high.is_negative(), &difference(&wide, &narrow), exponent)
            }
            Ordering::Less => {
                Self::of_digits(low.is_negative(), &difference(&narrow, &wide), exponent)
            }
        }
    }

    /// The difference.
    pub(crate) fn minus(self, other: Self) -> Result<Self, NumberError> {
        self.plus(Self { digits: -other.digits, exponent: other.exponent })
    }

    /// The number as whole seconds and the like, without its fraction.
    pub(crate) fn whole(self) -> Option<i64> {
        let mut value = self.digits;
        for _ in 0..self.exponent.unsigned_abs() {
            value = match self.exponent > 0 {
                true => value.checked_mul(10)?,
                false => value / 10,
            };
        }
        i64::try_from(value).ok()
    }

    /// Bytes that sort as numbers do; 19 of them.
    pub(crate) fn sortable(self) -> [u8; 19] {
        let mut bytes = [0; 19];
        let magnitude = self.digits.unsigned_abs();
        if magnitude == 0 {
            bytes[0] = 1;
            return bytes;
        }
        let count = digit_count(magnitude);
        let power = i32::from(self.exponent) + len(count) - 1;
        let aligned = magnitude * 10_u128.pow((DIGITS_MAX - count) as u32);
        bytes[0] = 2;
        bytes[1..3].copy_from_slice(&u16::try_from(power + 1000).unwrap_or(0).to_be_bytes());
        bytes[3..].copy_from_slice(&aligned.to_be_bytes());
        if self.is_negative() {
            bytes[0] = 0;
            bytes[1..].iter_mut().for_each(|byte| *byte = !*byte);
        }
        bytes
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.exponent == other.exponent {
            return self.digits.cmp(&other.digits);
        }
        self.sortable().cmp(&other.sortable())
    }
}

impl fmt::Display for Number {
    /// As AWS answers it: no exponent, no zero that says nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_negative() { "-" } else { "" };
        let digits = self.digits.unsigned_abs().to_string();
        match usize::try_from(self.exponent) {
            Ok(zeros) => write!(f, "{sign}{digits}{}", "0".repeat(zeros)),
            Err(_) => {
                let places = self.exponent.unsigned_abs() as usize;
                if digits.len() > places {
                    let (whole, fraction) = digits.split_at(digits.len() - places);
                    return write!(f, "{sign}{whole}.{fraction}");
                }
                write!(f, "{sign}0.{}{digits}", "0".repeat(places - digits.len()))
            }
        }
    }
}

fn len(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn parse_exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let negative = text.starts_with('-');
    let value = digits.parse().unwrap_or(i32::MAX / 2);
    Some(if negative { -value } else { value })
}

fn digit_count(magnitude: u128) -> usize {
    magnitude.checked_ilog10().map_or(1, |power| power as usize + 1)
}

fn decimal(magnitude: u128) -> Vec<u8> {
    magnitude.to_string().bytes().map(|byte| byte - b'0').collect()
}

fn compare_digits(one: &[u8], other: &[u8]) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// Adds whole numbers, digit by digit.
fn sum(one: &[u8], other: &[u8]) -> Vec<u8> {
    let mut result = vec![0; one.len().max(other.len()) + 1];
    let mut carry = 0;
    for place in 0..result.len() {
        let total = digit(one, place) + digit(other, place) + carry;
        let at = result.len() - 1 - place;
        result[at] = total % 10;
        carry = total / 10;
    }
    result
}

/// Takes a smaller whole number from a greater one.
fn difference(greater: &[u8], smaller: &[u8]) -> Vec<u8> {
    let mut result = vec![0; greater.len()];
    let mut borrow = 0;
    for place in 0..greater.len() {
        let (up, down) = (digit(greater, place), digit(smaller, place) + borrow);
        borrow = u8::from(up < down);
        let at = result.len() - 1 - place;
        result[at] = up + 10 * borrow - down;
    }
    result
}

/// The digit at a place counted from the end; zero beyond the first.
fn digit(digits: &[u8], place: usize) -> u8 {
    digits.len().checked_sub(place + 1).map_or(0, |at| digits[at])
}

#[cfg(test)]
mod tests;
