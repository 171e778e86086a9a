//! Exact numbers and Kubernetes quantities (`512Mi`, `500m`, `1e3`).
//!
//! Suffixes follow the Kubernetes API conventions for `resource.Quantity`. Arithmetic is rational, so that
//! `0.1 × 3` is `0.3` and `512Mi × 1.5` is `768Mi`.

use serde_json::{Number, Value};

/// The suffixes of one family from large to small, each with the power of its base.
const BINARY: [(&str, u32); 6] = [("Ei", 6), ("Pi", 5), ("Ti", 4), ("Gi", 3), ("Mi", 2), ("Ki", 1)];
/// Powers of ten; the small ones are negative.
const DECIMAL: [(&str, i32); 9] =
    [("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3), ("m", -3), ("u", -6), ("n", -9)];

/// A rational number; the denominator is positive and the fraction in lowest terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exact {
    over: i128,
    under: i128,
}

/// A number with the suffix it was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quantity {
    pub(super) number: Exact,
    /// None for a plain number.
    pub(super) suffix: Option<&'static str>,
}

impl Exact {
    fn new(over: i128, under: i128) -> Option<Self> {
        if under == 0 {
            return None;
        }
        let mut divisor = (over.checked_abs()?, under.checked_abs()?);
        while divisor.1 != 0 {
            divisor = (divisor.1, divisor.0 % divisor.1);
        }
        let divisor = if under < 0 { -divisor.0 } else { divisor.0 };
        Some(Self { over: over / divisor, under: under / divisor })
    }

    /// Reads a decimal such as `-12.5e3`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = whole.strip_prefix(['-', '+']).unwrap_or(whole);
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (digits.is_empty() && fraction.is_empty()) || !plain(digits) || !plain(fraction) || text.len() > 64 {
            return None;
        }
        let magnitude: i128 = format!("{digits}{fraction}").parse().ok()?;
        let over = if whole.starts_with('-') { -magnitude } else { magnitude };
        let shift = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        Self::new(over, 1)?.times(Self::power(10, shift)?)
    }

    fn power(base: i128, exponent: i32) -> Option<Self> {
        let power = base.checked_pow(exponent.unsigned_abs())?;
        if exponent < 0 { Self::new(1, power) } else { Self::new(power, 1) }
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let left = self.over.checked_mul(other.under)?;
        let right = other.over.checked_mul(self.under)?;
        Self::new(left.checked_add(right)?, self.under.checked_mul(other.under)?)
    }

    pub(super) fn minus(self, other: Self) -> Option<Self> {
        self.plus(Self { over: other.over.checked_neg()?, under: other.under })
    }

    pub(super) fn times(self, other: Self) -> Option<Self> {
        // Cross-cancelling first keeps the products small.
        let left = Self::new(self.over, other.under)?;
        let right = Self::new(other.over, self.under)?;
        Self::new(left.over.checked_mul(right.over)?, left.under.checked_mul(right.under)?)
    }

    pub(super) fn divided_by(self, other: Self) -> Option<Self> {
        if other.over == 0 {
            return None;
        }
        self.times(Self::new(other.under, other.over)?)
    }

    pub(super) fn compare(self, other: Self) -> Option<std::cmp::Ordering> {
        Some(self.over.checked_mul(other.under)?.cmp(&other.over.checked_mul(self.under)?))
    }

    pub(super) fn is_zero(self) -> bool {
        self.over == 0
    }

    /// The whole number, where it is one.
    pub(super) fn whole(self) -> Option<i128> {
        (self.under == 1).then_some(self.over)
    }

    fn rounded_up(self) -> i128 {
        let floor = self.over.div_euclid(self.under);
        if self.over.rem_euclid(self.under) == 0 { floor } else { floor.saturating_add(1) }
    }

    /// The nearest JSON number: an integer where it is one.
    pub(super) fn to_json(self) -> Option<Value> {
        if let Some(whole) = self.whole() {
            return i64::try_from(whole).ok().map(Value::from);
        }
        self.to_f64().and_then(Number::from_f64).map(Value::Number)
    }

    #[allow(clippy::cast_precision_loss, reason = "a JSON fraction is a double; both parts are rounded once")]
    pub(super) fn to_f64(self) -> Option<f64> {
        let quotient = self.over as f64 / self.under as f64;
        quotient.is_finite().then_some(quotient)
    }
}

impl Quantity {
    /// Reads a number or a text such as `512Mi`.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => Exact::parse(&number.to_string()).map(|number| Self { number, suffix: None }),
            Value::String(text) => Self::parse(text.trim()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Reads a text such as `512Mi`, `500m` or `1e3`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        for (suffix, power) in BINARY {
            if let Some(digits) = text.strip_suffix(suffix) {
                let unit = Exact::new(1024_i128.checked_pow(power)?, 1)?;
                return Some(Self { number: Exact::parse(digits)?.times(unit)?, suffix: Some(suffix) });
            }
        }
        for (suffix, power) in DECIMAL {
            if let Some(digits) = text.strip_suffix(suffix) {
                let unit = Exact::power(10, power)?;
                return Some(Self { number: Exact::parse(digits)?.times(unit)?, suffix: Some(suffix) });
            }
        }
        Exact::parse(text).map(|number| Self { number, suffix: None })
    }

    /// Writes a number in the family of a suffix: in that unit where it is whole there, else in the largest smaller
    /// unit where it is, else in the family's smallest unit, rounded up.
    pub(super) fn write(number: Exact, suffix: &str) -> Option<String> {
        if let Some(start) = BINARY.iter().position(|(name, _)| *name == suffix) {
            for (name, power) in BINARY.iter().skip(start) {
                let unit = Exact::new(1024_i128.checked_pow(*power)?, 1)?;
                if let Some(whole) = number.divided_by(unit).and_then(Exact::whole) {
                    return Some(format!("{whole}{name}"));
                }
            }
            return Some(number.rounded_up().to_string());
        }
        let (start, power) = DECIMAL.iter().enumerate().find(|(_, (name, _))| *name == suffix)?;
        let smallest = if power.1 > 0 { 0 } else { power.1 };
        let units = DECIMAL.iter().skip(start).copied().filter(|(_, power)| *power > 0);
        for (name, power) in units.chain(std::iter::once(("", 0))) {
            if let Some(whole) = number.divided_by(Exact::power(10, power)?).and_then(Exact::whole)
                && (power != 0 || smallest == 0)
            {
                return Some(format!("{whole}{name}"));
            }
        }
        let name = DECIMAL.iter().find(|(_, power)| *power == smallest).map_or("", |(name, _)| *name);
        Some(format!("{}{name}", number.divided_by(Exact::power(10, smallest)?)?.rounded_up()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]
    use super::*;

    fn times(quantity: &str, factor: &str) -> String {
        let quantity = Quantity::parse(quantity).unwrap();
        Quantity::write(quantity.number.times(Exact::parse(factor).unwrap()).unwrap(), quantity.suffix.unwrap())
            .unwrap()
    }

    #[test]
    fn a_product_keeps_its_unit_where_that_is_exact() {
        assert_eq!(times("512Mi", "1.5"), "768Mi");
        assert_eq!(times("500m", "1.5"), "750m");
        assert_eq!(times("100M", "1.5"), "150M");
        assert_eq!(times("2Gi", "2"), "4Gi");
    }

    #[test]
    fn a_product_goes_to_the_next_unit_that_is_exact() {
        assert_eq!(times("1Gi", "1.5"), "1536Mi");
        assert_eq!(times("1Mi", "1.5"), "1536Ki");
        assert_eq!(times("1G", "1.5"), "1500M");
        assert_eq!(times("1k", "1.0005"), "1001", "no unit is exact, so it is rounded up");
    }

    #[test]
    fn a_product_that_is_exact_nowhere_is_rounded_up_to_bytes() {
        assert_eq!(times("512Mi", "1.2"), "644245095");
        assert_eq!(times("1m", "1.5"), "2m");
    }

    #[test]
    fn exponents_and_large_suffixes_parse() {
        assert_eq!(Quantity::parse("1e3").unwrap().number.whole(), Some(1000));
        assert_eq!(Quantity::parse("12E").unwrap().number.whole(), Some(12_000_000_000_000_000_000));
        assert_eq!(Quantity::parse("1Ei").unwrap().number.whole(), Some(1 << 60));
        assert_eq!(Quantity::parse("0.5Gi").unwrap().number.whole(), Some(536_870_912));
        assert_eq!(Quantity::parse("Mi"), None);
        assert_eq!(Quantity::parse("1e999999999"), None);
        assert_eq!(Quantity::parse("512MB"), None);
    }
}
