//! Arithmetic modulo the prime 2^61 − 1, and the way back to fractions.
//!
//! Elimination over fractions lets numbers grow without bound. Modulo a prime they stay in
//! one word; what is found there is a *guess* that is checked with exact integers before
//! anybody relies on it (see the parent module).

/// The Mersenne prime 2^61 − 1.
pub(crate) const PRIME: u64 = (1 << 61) - 1;

/// Numerators and denominators up to this size are recovered uniquely, as 2·BOUND² < PRIME.
const BOUND: i64 = (1 << 30) - 1;

pub(crate) const fn sub(a: u64, b: u64) -> u64 {
    if a >= b { a - b } else { a + PRIME - b }
}

#[expect(clippy::cast_possible_truncation, reason = "both halves are below 2^61 after the shift and the mask")]
pub(crate) const fn mul(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    let folded = (product & PRIME as u128) as u64 + (product >> 61) as u64;
    if folded >= PRIME { folded - PRIME } else { folded }
}

/// `a + b · c`.
#[expect(clippy::cast_possible_truncation, reason = "both halves are below 2^62 after the shift and the mask")]
pub(crate) const fn add_product(a: u64, b: u64, c: u64) -> u64 {
    let sum = b as u128 * c as u128 + a as u128;
    let folded = (sum & PRIME as u128) as u64 + (sum >> 61) as u64;
    if folded >= PRIME { folded - PRIME } else { folded }
}

/// The inverse of a number that is not zero, by Fermat's little theorem.
pub(crate) const fn invert(a: u64) -> u64 {
    let (mut base, mut exponent, mut result) = (a, PRIME - 2, 1);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = mul(result, base);
        }
        base = mul(base, base);
        exponent >>= 1;
    }
    result
}

/// The residue of a signed integer.
pub(crate) fn residue(value: i128) -> u64 {
    u64::try_from(value.rem_euclid(i128::from(PRIME))).unwrap_or(0)
}

/// A fraction in lowest terms with a positive denominator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fraction {
    pub(crate) numerator: i64,
    pub(crate) denominator: i64,
}

/// The small fraction with this residue, if there is one (Wang's rational reconstruction:
/// the extended Euclidean algorithm, stopped half-way).
pub(crate) fn reconstruct(value: u64) -> Option<Fraction> {
    let (mut r0, mut r1) = (i64::try_from(PRIME).ok()?, i64::try_from(value).ok()?);
    let (mut t0, mut t1) = (0i64, 1i64);
    while r1 > BOUND {
        let quotient = r0 / r1;
        (r0, r1) = (r1, r0 - quotient * r1);
        (t0, t1) = (t1, t0.checked_sub(quotient.checked_mul(t1)?)?);
    }
    let (numerator, denominator) = if t1 < 0 { (-r1, -t1) } else { (r1, t1) };
    let fraction = Fraction { numerator, denominator };
    let holds = (1..=BOUND).contains(&denominator)
        && mul(residue(i128::from(denominator)), value) == residue(i128::from(numerator));
    holds.then_some(fraction)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_small_fraction_survives_the_way_through_the_field(n in -50_000i64..50_000, d in 1i64..50_000) {
            let value = mul(residue(i128::from(n)), invert(residue(i128::from(d))));
            let found = reconstruct(value).unwrap();
            prop_assert_eq!(i128::from(found.numerator) * i128::from(d), i128::from(n) * i128::from(found.denominator));
        }

        #[test]
        fn adding_a_product_is_adding_and_multiplying(a in 0..PRIME, b in 0..PRIME, c in 0..PRIME) {
            let exact = (u128::from(a) + u128::from(b) * u128::from(c)) % u128::from(PRIME);
            prop_assert_eq!(u128::from(add_product(a, b, c)), exact);
        }

        #[test]
        fn inverses_invert(a in 1..PRIME) {
            prop_assert_eq!(mul(a, invert(a)), 1);
        }
    }
}
