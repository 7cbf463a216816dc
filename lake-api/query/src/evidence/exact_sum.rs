//! Sums that do not depend on the order of their terms.
//!
//! Adding floating-point numbers is not associative, so a sum over files and threads
//! differs in its last bits from run to run; "same release, same bytes" forbids that. Here
//! every term becomes a whole multiple of 2⁻⁶⁴ (whole numbers: of 1) in a 128-bit integer,
//! and integers are added. A term loses at most 2⁻⁶⁵ ≈ 3·10⁻²⁰ by it. Terms of 2⁶² and more
//! count as NULL, as do NaN and infinities: a rule that compares with NaN would hold for ever.
//! Whether a sum may go beyond 128 bits is judged by the sizes of its terms, whose sum does not
//! depend on the order either; such a cell is hidden. Nothing fails: that would be an answer.

/// Bits behind the binary point of a floating-point sum.
const FRACTION_BITS: i32 = 64;

/// How the 128-bit integers of a sum are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Whole numbers.
    Whole,
    /// Multiples of 2⁻⁶⁴.
    Fraction,
}

/// A floating-point term as a multiple of 2⁻⁶⁴; `None` when it has no exact form.
pub(crate) fn fraction(value: f64) -> Option<i128> {
    // IEEE 754: value = ± mantissa · 2^(exponent - 52). From 2⁻¹² to 2⁶² every bit of the
    // mantissa is a multiple of 2⁻⁶⁴, and shifting is all there is to do.
    let bits = value.to_bits();
    let exponent = (bits >> 52 & 0x7FF) as i32 - 1023;
    if (-12..62).contains(&exponent) {
        let mantissa = i128::from(bits & 0x000F_FFFF_FFFF_FFFF | 0x0010_0000_0000_0000);
        let size = mantissa << (exponent + 12);
        return Some(if value < 0.0 { -size } else { size });
    }
    let scaled = value * 2f64.powi(FRACTION_BITS);
    // 2^126: two such terms still have a sum. NaN fails every comparison.
    if scaled.abs() < 2f64.powi(126) {
        #[expect(clippy::cast_possible_truncation, reason = "the magnitude was checked")]
        Some(scaled.round_ties_even() as i128)
    } else {
        None
    }
}

/// Whether a floating-point term has an exact form, without making it: see [`fraction`].
pub(crate) fn has_fraction(value: f64) -> bool {
    // 2⁶². NaN fails every comparison.
    value.abs() < 4_611_686_018_427_387_904.0
}

/// The nearest floating-point number to a sum.
pub(crate) fn value(sum: i128, scale: Scale) -> f64 {
    match scale {
        Scale::Whole => sum as f64,
        Scale::Fraction => sum as f64 * 2f64.powi(-FRACTION_BITS),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn total(terms: &[f64]) -> i128 {
        terms.iter().map(|term| fraction(*term).unwrap()).sum()
    }

    #[test]
    fn terms_that_have_no_exact_form_are_none() {
        for term in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 2f64.powi(62), -(2f64.powi(62))] {
            assert_eq!(fraction(term), None, "{term}");
            assert!(!has_fraction(term), "{term}");
        }
        for term in [-4e18, 2f64.powi(62).next_down(), 5e-324, 0.0] {
            assert!(fraction(term).is_some() && has_fraction(term), "{term}");
        }
    }

    #[test]
    fn a_large_and_a_small_term_do_not_swallow_each_other() {
        assert!((value(total(&[1e15, 0.1, -1e15]), Scale::Fraction) - 0.1).abs() < 1e-15);
    }

    /// The definition without the shortcut.
    #[expect(clippy::cast_possible_truncation, reason = "callers stay in range")]
    fn defined(value: f64) -> i128 {
        (value * 2f64.powi(FRACTION_BITS)).round_ties_even() as i128
    }

    #[test]
    fn both_ways_to_a_fraction_agree_where_they_meet() {
        for exponent in -80..62 {
            for mantissa in [1.0, 1.5, 1.999_999_999_999_999_8, 1.0 + f64::EPSILON] {
                let value = mantissa * 2f64.powi(exponent);
                assert_eq!(fraction(value), Some(defined(value)), "{value}");
                assert_eq!(fraction(-value), Some(defined(-value)), "-{value}");
            }
        }
        assert_eq!(fraction(0.0), Some(0));
        assert_eq!(fraction(-0.0), Some(0));
    }

    proptest! {
        #[test]
        fn the_order_of_terms_does_not_matter(mut terms in proptest::collection::vec(-1e12f64..1e12, 1..200)) {
            let forward = total(&terms);
            terms.reverse();
            prop_assert_eq!(forward, total(&terms));
            terms.sort_by(f64::total_cmp);
            prop_assert_eq!(forward, total(&terms));
        }
    }
}
