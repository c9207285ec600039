//! Decimal numbers that compare exactly.

/// Digits that a number keeps; those after them only decide which of two otherwise equal numbers is larger.
pub(crate) const DIGITS_KEPT: u32 = 19;

/// Decimal exponents beyond this are all the same: infinitely large, or next to zero.
const EXPONENT_MAX: i64 = 1 << 30;

/// The key of zero. Positive numbers are above it, negative ones below.
const ZERO: u128 = 1 << 100;

/// A number as an integer that sorts as the number does.
///
/// `f64` would make 0.1 + 0.2 and 0.3 differ and 9007199254740993 equal to its neighbour, so the text is read as what it is: a decimal
/// fraction `0.d1d2...d19 * 10^e`. Exponent, then the 19 digits, then one bit "further digits follow" make the magnitude. Up to 19
/// significant digits are exact; a longer number sorts correctly against every shorter one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NumberKey(u128);

/// A number read from JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) key: NumberKey,
    /// Significant digits, without zeros at either end.
    pub(crate) digits: u32,
}

impl NumberKey {
    pub(crate) const LOWEST: Self = Self(0);
    pub(crate) const HIGHEST: Self = Self(u128::MAX);

    /// No digit was dropped, so that equal keys mean equal numbers.
    pub(crate) fn is_exact(self) -> bool {
        self.0 & 1 == 0
    }

    /// The next key up. A bound `> n` holds from here on.
    pub(crate) fn above(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The next key down. A bound `< n` holds up to here.
    pub(crate) fn below(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The integer that sorts as the number does.
    pub(crate) fn bits(self) -> u128 {
        self.0
    }

    /// The key of a whole number.
    pub(crate) fn from_integer(magnitude: u64, negative: bool) -> Self {
        Number::assemble(magnitude, 0, false, negative).key
    }
}

impl Number {
    /// Reads a JSON number. What follows the number's grammar gives its value; anything else stops reading, so the caller checks the
    /// grammar where it matters.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let (negative, text) = match text.split_first() {
            Some((b'-', rest)) => (true, rest),
            _ => (false, text),
        };
        let mut mantissa = 0u64;
        let mut kept = 0u32;
        let mut exponent = 0i64;
        let mut sticky = false;
        let mut fraction = false;
        let mut rest = text.iter();
        while let Some(&byte) = rest.next() {
            match byte {
                b'0'..=b'9' => {
                    let digit = u64::from(byte - b'0');
                    if kept < DIGITS_KEPT {
                        exponent -= i64::from(fraction);
                        if mantissa != 0 || digit != 0 {
                            mantissa = mantissa * 10 + digit;
                            kept += 1;
                        }
                    } else {
                        exponent += i64::from(!fraction);
                        sticky |= digit != 0;
                    }
                }
                b'.' => fraction = true,
                b'e' | b'E' => {
                    exponent += parse_exponent(rest.as_slice());
                    break;
                }
                _ => break,
            }
        }
        Self::assemble(mantissa, exponent, sticky, negative)
    }

    /// `mantissa * 10^exponent`, and a little more if `sticky`.
    fn assemble(mantissa: u64, exponent: i64, sticky: bool, negative: bool) -> Self {
        if mantissa == 0 {
            return Self { key: NumberKey(ZERO), digits: 0 };
        }
        let length = mantissa.ilog10() + 1;
        // A u64 can have 20 digits, one more than are kept; parse() never makes one, and from_integer's callers stay far below.
        let aligned = match DIGITS_KEPT.checked_sub(length) {
            Some(missing) => mantissa.saturating_mul(10u64.saturating_pow(missing)),
            None => mantissa / 10,
        };
        let position = (i64::from(length) + exponent).clamp(-EXPONENT_MAX, EXPONENT_MAX) + EXPONENT_MAX + 1;
        let magnitude = (u128::from(position.unsigned_abs()) << 65) | (u128::from(aligned) << 1) | u128::from(sticky);
        let mut digits = DIGITS_KEPT;
        let mut stripped = aligned;
        while stripped % 10 == 0 && digits > 1 {
            stripped /= 10;
            digits -= 1;
        }
        let digits = if sticky { DIGITS_KEPT + 1 } else { digits };
        Self { key: NumberKey(if negative { ZERO - magnitude } else { ZERO + magnitude }), digits }
    }
}

/// The exponent of a JSON number, clamped.
fn parse_exponent(text: &[u8]) -> i64 {
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let mut value = 0i64;
    for byte in digits.iter().take_while(|b| b.is_ascii_digit()) {
        value = (value * 10 + i64::from(byte - b'0')).min(4 * EXPONENT_MAX);
    }
    if negative { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::Number;
    use std::cmp::Ordering;

    fn check(a: &str, b: &str, expect: Ordering) {
        let (x, y) = (Number::parse(a.as_bytes()), Number::parse(b.as_bytes()));
        assert_eq!(x.key.cmp(&y.key), expect, "{a} against {b}");
        assert_eq!(y.key.cmp(&x.key), expect.reverse(), "{b} against {a}");
    }

    #[test]
    fn numbers_compare_as_decimals() {
        for (a, b) in [
            ("300", "3.0e2"),
            ("300", "300.000"),
            ("0", "-0.0e9"),
            ("0.1", "1e-1"),
            ("-5e9", "-5000000000"),
            ("1E+2", "100"),
        ] {
            check(a, b, Ordering::Equal);
        }
        for (a, b) in [
            ("-1", "0"),
            ("-2", "-1"),
            ("0.3", "0.30000000000000004"),
            ("9007199254740992", "9007199254740993"),
            ("4999999999.999998", "4999999999.999999"),
            ("4999999999.9999998", "4999999999.9999999"),
            ("9", "10"),
            ("0.0000001", "0.000001"),
            ("-10", "-9"),
            ("-1e-400", "0"),
            ("0", "1e-400"),
            ("1e308", "1e309"),
            ("1e999999999999999999999", "2e999999999999999999999"),
            ("1.000000000000000000", "1.0000000000000000000000000001"),
            ("-1.0000000000000000000000000001", "-1"),
            ("0.99999999999999999999999999", "1"),
        ] {
            check(a, b, Ordering::Less);
        }
    }

    #[test]
    fn digits_are_counted_without_outer_zeros() {
        for (text, expect) in
            [("0", 0), ("1000", 1), ("0.00120", 2), ("12345678901234567", 17), ("1.23456789012345678901", 20)]
        {
            assert_eq!(Number::parse(text.as_bytes()).digits, expect, "{text}");
        }
    }
}
