//! The random draw that sends a share of automatic verdicts to review.
//!
//! The number is HMAC-SHA-256 under a secret of the platform over the plan's hash and the
//! pinned versions: nobody outside can tell it, and asking again draws the same, so a
//! requester cannot ask until the draw is favourable.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use oscar_permit::{Sha256Digest, TableRef};
use sha2::Sha256;

/// A number uniform over all of `u64`.
pub(crate) fn draw(secret: &[u8; 32], plan: &Sha256Digest, versions: &BTreeMap<TableRef, u64>) -> u64 {
    // HMAC takes keys of every length; the error is for other algorithms.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return 0 };
    mac.update(b"oscar-review-draw-v1\0");
    mac.update(plan.as_bytes());
    for (table, version) in versions {
        mac.update(table.to_string().as_bytes());
        mac.update(&[0]);
        mac.update(&version.to_be_bytes());
    }
    let bytes = mac.finalize().into_bytes();
    bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(version: u64) -> BTreeMap<TableRef, u64> {
        BTreeMap::from([(TableRef::try_from("a.b".to_owned()).unwrap(), version)])
    }

    #[test]
    fn asking_again_draws_the_same_and_another_secret_another_number() {
        let plan = Sha256Digest::of("plan");
        assert_eq!(draw(&[1; 32], &plan, &versions(1)), draw(&[1; 32], &plan, &versions(1)));
        assert_ne!(draw(&[1; 32], &plan, &versions(1)), draw(&[2; 32], &plan, &versions(1)));
        assert_ne!(draw(&[1; 32], &plan, &versions(1)), draw(&[1; 32], &plan, &versions(2)));
    }

    #[test]
    fn the_draw_is_spread_over_the_whole_range() {
        let numbers = (0..2000_u32).map(|n| draw(&[7; 32], &Sha256Digest::of(n.to_string()), &versions(1)));
        let low = numbers.filter(|number| *number < u64::MAX / 20).count();
        assert!((40..=180).contains(&low), "about 5 % of the numbers lie in the lowest twentieth: {low}");
    }
}
