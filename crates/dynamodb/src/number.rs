//! DynamoDB's number: decimal, exact, 38 significant digits.
//!
//! AWS: Developer Guide, *Supported data types and naming rules*, Number.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// The most significant digits of a number.
pub const NUMBER_DIGITS_MAX: u32 = 38;

/// The exponent of the leading digit of the largest number: 9.99...E+125.
pub const NUMBER_EXPONENT_MAX: i32 = 125;

/// The exponent of the leading digit of the smallest number above zero: 1E-130.
pub const NUMBER_EXPONENT_MIN: i32 = -130;

/// The longest order-preserving encoding of a number, in bytes: sign, exponent, 19 pairs of digits, end.
pub const NUMBER_BYTES_MAX: usize = 22;

/// Why a text or a result is no number, in AWS's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Nothing where a number should be.
    #[error("The parameter cannot be converted to a numeric value")]
    Empty,
    /// Not the text of a number.
    #[error("The parameter cannot be converted to a numeric value: {0}")]
    Syntax(String),
    /// Larger than 9.99...E+125, or a sum that 38 digits cannot hold.
    #[error("Number overflow. Attempting to store a number with magnitude larger than supported range")]
    Overflow,
    /// Nearer to zero than 1E-130.
    #[error("Number underflow. Attempting to store a number with magnitude smaller than supported range")]
    Underflow,
    /// More than 38 significant digits.
    #[error("Attempting to store more than 38 significant digits in a Number")]
    Precision,
}

/// A decimal number of at most 38 significant digits between 1E-130 and 9.99...E+125, of either sign, or zero.
///
/// Two equal numbers are the same value however they were written: `1`, `1.0` and `10e-1` are equal, have equal bytes and
/// the same text.
///
/// ```
/// use cauce_dynamodb::Number;
/// let price: Number = "19.90".parse().unwrap();
/// assert_eq!(price.to_string(), "19.9");
/// assert_eq!((price + "0.1".parse().unwrap()).unwrap().to_string(), "20");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    /// The power of ten that the digits are multiplied with.
    scale: i16,
    /// The digits without trailing zeros, high and low half: an `u128` would make every attribute value 16 bytes longer.
    high: u64,
    low: u64,
}

impl Number {
    /// Zero.
    pub const ZERO: Number = Number { negative: false, scale: 0, high: 0, low: 0 };

    fn digits(self) -> u128 {
        u128::from(self.high) << 64 | u128::from(self.low)
    }

    /// The exponent of the leading digit.
    fn exponent(self) -> i32 {
        i32::from(self.scale) + self.digits().checked_ilog10().map_or(0, u32::cast_signed)
    }

    /// How many significant digits it has; zero has one.
    pub fn significant_digits(self) -> u32 {
        self.digits().checked_ilog10().unwrap_or(0) + 1
    }

    /// How many digits stand before the point and how many behind it, without the zeros at either end that say nothing.
    pub(crate) fn digits_around_point(self) -> (u32, u32) {
        let digits = self.digits().checked_ilog10().map_or(0, |log| log + 1);
        let places = if self.scale < 0 { u32::from(self.scale.unsigned_abs()) } else { 0 };
        match digits.checked_sub(places) {
            None | Some(0) => (0, digits),
            Some(whole) => (whole, places),
        }
    }

    /// The number `±digits · 10^scale`, if it is one of DynamoDB's.
    fn new(negative: bool, mut digits: u128, mut scale: i32) -> Result<Number, NumberError> {
        if digits == 0 {
            return Ok(Number::ZERO);
        }
        while digits.is_multiple_of(10) {
            digits /= 10;
            scale += 1;
        }
        let count = digits.ilog10() + 1;
        let exponent = scale.saturating_add_unsigned(count - 1);
        if exponent > NUMBER_EXPONENT_MAX {
            return Err(NumberError::Overflow);
        }
        if exponent < NUMBER_EXPONENT_MIN {
            return Err(NumberError::Underflow);
        }
        if count > NUMBER_DIGITS_MAX {
            return Err(NumberError::Precision);
        }
        // Between -130 - 37 and 125 now.
        let scale = i16::try_from(scale).map_err(|_| NumberError::Overflow)?;
        let [high, low] = [digits >> 64, digits & u128::from(u64::MAX)].map(|half| half as u64);
        Ok(Number { negative, scale, high, low })
    }

    /// `self + other`, exactly.
    ///
    /// # Errors
    /// [`NumberError::Overflow`] if the sum is too large, and, as AWS words it, also where it has more than 38 digits.
    pub fn plus(self, other: Number) -> Result<Number, NumberError> {
        if self.digits() == 0 {
            return Ok(other);
        }
        if other.digits() == 0 {
            return Ok(self);
        }
        let (upper, lower) = if self.scale >= other.scale { (self, other) } else { (other, self) };
        // The digits must be moved by this many places to stand above the lower ones. The sum has a digit at either end
        // unless they cancel, which they only can where the digits overlap.
        let places = u32::from(upper.scale.abs_diff(lower.scale));
        let moved = 10_u128.checked_pow(places).and_then(|power| upper.digits().checked_mul(power));
        let Some(moved) = moved else { return Err(NumberError::Overflow) };
        let (negative, digits) = if upper.negative == lower.negative {
            (upper.negative, moved.checked_add(lower.digits()).ok_or(NumberError::Overflow)?)
        } else if moved >= lower.digits() {
            (upper.negative, moved - lower.digits())
        } else {
            (lower.negative, lower.digits() - moved)
        };
        Number::new(negative, digits, i32::from(lower.scale)).map_err(|error| match error {
            NumberError::Precision => NumberError::Overflow,
            other => other,
        })
    }

    /// `self - other`, exactly.
    ///
    /// # Errors
    /// As [`Number::plus`].
    pub fn minus(self, other: Number) -> Result<Number, NumberError> {
        self.plus(-other)
    }

    /// Appends the encoding whose bytewise order is the order of numbers: at most [`NUMBER_BYTES_MAX`] bytes.
    ///
    /// A sign (1, 2, 3), then for anything but zero the exponent of the leading digit plus 130, and the digits in pairs,
    /// each plus one. Negative numbers have all but the sign inverted, and a last `FF`, which puts the shorter of two that
    /// begin alike behind. The bytes of a number never begin the bytes of another one of the same sign and a smaller one.
    pub fn put_key_bytes(self, out: &mut Vec<u8>) {
        let mut digits = self.digits();
        if digits == 0 {
            out.push(2);
            return;
        }
        let exponent = (self.exponent() - NUMBER_EXPONENT_MIN) as u8;
        let mut pairs = [0_u8; 19];
        let mut count = digits.ilog10() + 1;
        if count % 2 == 1 {
            digits *= 10;
            count += 1;
        }
        let used = (count / 2) as usize;
        for pair in pairs.iter_mut().take(used).rev() {
            *pair = (digits % 100) as u8 + 1;
            digits /= 100;
        }
        let pairs = pairs.iter().take(used);
        if self.negative {
            out.extend([1, !exponent]);
            out.extend(pairs.map(|pair| !pair));
            out.push(0xFF);
        } else {
            out.extend([3, exponent]);
            out.extend(pairs);
        }
    }

    /// The number that [`Number::put_key_bytes`] wrote, or `None` for anything else.
    pub fn from_key_bytes(bytes: &[u8]) -> Option<Number> {
        let (negative, exponent, pairs) = match bytes {
            [2] => return Some(Number::ZERO),
            [1, exponent, pairs @ .., 0xFF] => (true, !exponent, pairs),
            [3, exponent, pairs @ ..] => (false, *exponent, pairs),
            _ => return None,
        };
        if pairs.is_empty() || pairs.len() > 19 {
            return None;
        }
        let blank = if negative { !1 } else { 1 };
        if pairs.last() == Some(&blank) {
            return None;
        }
        let mut digits = 0_u128;
        for pair in pairs {
            let pair = if negative { !pair } else { *pair };
            digits = digits * 100 + u128::from(pair.checked_sub(1).filter(|pair| *pair < 100)?);
        }
        let count = digits.checked_ilog10()? + 1;
        if count.div_ceil(2) as usize != pairs.len() || count % 2 == 1 {
            return None;
        }
        let scale = i32::from(exponent) + NUMBER_EXPONENT_MIN + 1 - count.cast_signed();
        Number::new(negative, digits, scale).ok()
    }
}

impl std::ops::Neg for Number {
    type Output = Number;

    fn neg(self) -> Number {
        Number { negative: !self.negative && self.digits() != 0, ..self }
    }
}

impl std::ops::Add for Number {
    type Output = Result<Number, NumberError>;

    fn add(self, other: Number) -> Result<Number, NumberError> {
        self.plus(other)
    }
}

impl std::ops::Sub for Number {
    type Output = Result<Number, NumberError>;

    fn sub(self, other: Number) -> Result<Number, NumberError> {
        self.minus(other)
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        let sign = |n: &Number| if n.digits() == 0 { 0 } else { 1 - 2 * i32::from(n.negative) };
        let by_sign = sign(self).cmp(&sign(other));
        if by_sign != Ordering::Equal || self.digits() == 0 {
            return by_sign;
        }
        let magnitude = self.exponent().cmp(&other.exponent()).then_with(|| {
            // Of equal exponent, so that the one with the lower scale has more digits, and neither more than 38.
            let lowest = self.scale.min(other.scale);
            let aligned = |n: &Number| n.digits() * 10_u128.pow(u32::from(n.scale.abs_diff(lowest)));
            aligned(self).cmp(&aligned(other))
        });
        if self.negative { magnitude.reverse() } else { magnitude }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

macro_rules! from_integers {
    ($($integer:ty)*) => {$(
        impl From<$integer> for Number {
            fn from(n: $integer) -> Number {
                // At most 20 digits.
                let n = i128::from(n);
                Number::new(n < 0, n.unsigned_abs(), 0).unwrap_or(Number::ZERO)
            }
        }
    )*};
}

from_integers! { u8 u16 u32 u64 i8 i16 i32 i64 }

/// The digits of a text as far as 39 significant ones, and where they stand.
#[derive(Default)]
struct Scanned {
    digits: u128,
    /// Places by which zeros after the last significant digit so far would move it.
    zeros: i64,
    significant: u32,
    /// Digits after the point, up to the last significant one and the zeros after it.
    fraction: i64,
    any: bool,
}

impl Scanned {
    /// Takes one more digit, or refuses the 39th significant one.
    fn push(&mut self, digit: u8, after_point: bool) -> Result<(), NumberError> {
        self.any = true;
        self.fraction += i64::from(after_point);
        if digit == b'0' {
            self.zeros += i64::from(self.digits != 0);
            return Ok(());
        }
        // Zeros are taken in only when a digit follows that makes them significant.
        let places = u32::try_from(self.zeros + 1).unwrap_or(u32::MAX);
        let significant = self.significant.saturating_add(places);
        if significant > NUMBER_DIGITS_MAX {
            // What follows only says how large the number is.
            self.zeros += 1;
            return Err(NumberError::Precision);
        }
        self.zeros = 0;
        self.significant = significant;
        self.digits = self.digits * 10_u128.pow(places) + u128::from(digit - b'0');
        Ok(())
    }
}

impl FromStr for Number {
    type Err = NumberError;

    /// Reads `[+-]digits[.digits][e[+-]digits]`, with digits before or after the point.
    fn from_str(text: &str) -> Result<Number, NumberError> {
        if text.is_empty() {
            return Err(NumberError::Empty);
        }
        let syntax = || NumberError::Syntax(text.to_owned());
        let (negative, rest) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let (mut scanned, mut after_point, mut too_long) = (Scanned::default(), false, false);
        let mut exponent = 0_i64;
        let mut bytes = rest.iter();
        while let Some(byte) = bytes.next() {
            match byte {
                // What is no number, or too large, is said before what is too precise.
                b'0'..=b'9' => too_long |= scanned.push(*byte, after_point).is_err(),
                b'.' if !after_point => after_point = true,
                b'e' | b'E' => {
                    exponent = exponent_of(bytes.as_slice()).ok_or_else(syntax)?;
                    break;
                }
                _ => return Err(syntax()),
            }
        }
        if !scanned.any {
            return Err(syntax());
        }
        let scale = exponent - scanned.fraction + scanned.zeros;
        // Far outside either way what the exponent of any number can be.
        let scale = i32::try_from(scale.clamp(-1_000_000_000, 1_000_000_000)).map_err(|_| NumberError::Overflow)?;
        let number = Number::new(negative, scanned.digits, scale)?;
        if too_long { Err(NumberError::Precision) } else { Ok(number) }
    }
}

/// The value of what follows the `e`; more than any exponent can be where it is longer.
fn exponent_of(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0_i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(10_000_000_000));
    Some(if negative { -value } else { value })
}

impl fmt::Display for Number {
    /// The plain text that AWS answers: no exponent, no zeros at the ends that say nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits().to_string();
        if self.negative {
            f.write_str("-")?;
        }
        if self.scale >= 0 {
            return write!(f, "{digits}{:0<1$}", "", usize::from(self.scale.unsigned_abs()));
        }
        let fraction = usize::from(self.scale.unsigned_abs());
        match digits
            .len()
            .checked_sub(fraction)
            .filter(|whole| *whole > 0)
            .and_then(|whole| digits.split_at_checked(whole))
        {
            Some((whole, fraction)) => write!(f, "{whole}.{fraction}"),
            None => write!(f, "0.{digits:0>fraction$}"),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
