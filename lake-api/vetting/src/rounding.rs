//! Rounding of shown values.
//!
//! Counts go to the nearest multiple of the profile's base, halves up; a count that is
//! not zero is never rounded to zero, because a shown zero is a statement of its own
//! (structural zero). Sums and means keep few significant digits of their decimal form.
//! A mean is the sum divided by the *rounded* count of rows, so that mean and count
//! together give away no more than the sum does.

use crate::{AggregateEvidence, AggregateKind, OrderedF64, VettedValue};

/// The nearest multiple of `base`, halves up, at least `base` when `count` is not zero.
#[must_use]
pub fn round_count(count: u64, base: u32) -> u64 {
    let base = u64::from(base.max(1));
    if count == 0 {
        return 0;
    }
    // Half a base, rounded down: with an odd base no count lies half-way.
    let multiples = count.saturating_add(base / 2) / base;
    multiples.max(1).saturating_mul(base)
}

/// `value` with `digits` significant decimal digits.
#[must_use]
pub fn round_significant(value: f64, digits: u32) -> f64 {
    let after_first = digits.max(1).saturating_sub(1) as usize;
    // The formatter rounds the exact decimal value of the binary number, so the same
    // number gives the same digits on every machine. Numbers it writes can be read back.
    format!("{value:.after_first$e}").parse().unwrap_or(f64::NAN)
}

/// The shown value of an aggregate that passed the rules, `None` when it has none.
pub(crate) fn shown_value(
    found: &AggregateEvidence,
    kind: AggregateKind,
    base: u32,
    digits: u32,
) -> Option<VettedValue> {
    let decimal = |value: f64| {
        let rounded = round_significant(value, digits);
        rounded.is_finite().then(|| VettedValue::Decimal(OrderedF64::new(rounded)))
    };
    match kind {
        AggregateKind::CountRows
        | AggregateKind::CountPersons
        | AggregateKind::CountNonNull
        | AggregateKind::CountDistinct => Some(VettedValue::Count(round_count(whole(found.value)?, base))),
        AggregateKind::Sum => decimal(found.value),
        AggregateKind::Avg => match round_count(found.non_null_rows, base) {
            0 => None,
            rows => decimal(found.value / rows as f64),
        },
    }
}

/// A count that came as a floating-point number; `None` when it is not one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the guard admits whole numbers up to 2^53"
)]
fn whole(value: f64) -> Option<u64> {
    (value >= 0.0 && value.fract() == 0.0 && value <= 9_007_199_254_740_992.0).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, 5, 0)]
    #[case(1, 5, 5)]
    #[case(7, 5, 5)]
    #[case(8, 5, 10)]
    #[case(12, 5, 10)]
    #[case(13, 5, 15)]
    #[case(15, 10, 20)]
    #[case(14, 10, 10)]
    #[case(3, 10, 10)]
    #[case(41, 1, 41)]
    #[case(4, 3, 3)]
    #[case(5, 3, 6)]
    #[case(u64::MAX, 5, u64::MAX)]
    fn counts_go_to_the_nearest_multiple_halves_up(#[case] count: u64, #[case] base: u32, #[case] shown: u64) {
        assert_eq!(round_count(count, base), shown);
    }

    #[rstest]
    #[case(123_456.0, 3, 123_000.0)]
    #[case(0.001_236, 3, 0.001_24)]
    #[case(-99.96, 3, -100.0)]
    #[case(0.0, 3, 0.0)]
    #[case(7.0, 1, 7.0)]
    fn sums_keep_significant_digits(#[case] value: f64, #[case] digits: u32, #[case] shown: f64) {
        assert!((round_significant(value, digits) - shown).abs() < f64::EPSILON * shown.abs().max(1.0));
    }
}
