//! The random draw that sends a share of automatic verdicts to people all the same.
//!
//! It is taken from the persons behind what the table shows, under a secret of the
//! platform: HMAC-SHA-256 over the distinct person sets in an order of their own. Nobody
//! outside can tell it in advance, and asking again draws the same. A draw from the
//! statement could be repeated until it is favourable, by another alias, another order of
//! columns or a condition that is always true; a draw from the sets changes only when the
//! result does.

use std::collections::BTreeSet;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use oscar_permit::{ReleaseId, Sha256Digest};

use crate::LedgerTable;

/// The platform's secret of the draw and of what a receipt says in digests only. It is never
/// printed and has no form to be stored in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DrawSecret([u8; 32]);

impl DrawSecret {
    /// Wraps the secret.
    #[must_use]
    pub const fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// What the receipt of a release says of something secret: HMAC-SHA-256 over purpose,
    /// release and `secret`. A plain digest could be tried out against every possible count,
    /// and two receipts with the same one would tell that nothing has changed between them.
    pub(crate) fn sealed(&self, purpose: &str, release: &ReleaseId, secret: &[u8]) -> Sha256Digest {
        // HMAC takes keys of every length; the error is for other algorithms.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return Sha256Digest::of("") };
        for part in [purpose.as_bytes(), release.as_str().as_bytes()] {
            mac.update(part);
            mac.update(b"\0");
        }
        mac.update(secret);
        Sha256Digest::from_bytes(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for DrawSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DrawSecret")
    }
}

/// Whether the table that shows these persons is in the share of `percent` that people look at.
pub(crate) fn is_drawn(secret: &DrawSecret, released: &LedgerTable, percent: f64) -> bool {
    is_below(draw(secret, released), percent)
}

/// A number uniform over all of `u64`.
fn draw(secret: &DrawSecret, released: &LedgerTable) -> u64 {
    let sets: BTreeSet<[u8; 32]> = released
        .sets()
        .map(|set| {
            let mut members = Vec::with_capacity(4 * usize::try_from(set.len()).unwrap_or_default());
            members.extend(set.iter().flat_map(u32::to_le_bytes));
            Sha256::digest(&members).into()
        })
        .collect();
    // HMAC takes keys of every length; the error is for other algorithms.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&secret.0) else { return 0 };
    mac.update(b"oscar-review-draw-v2\0");
    for set in sets {
        mac.update(&set);
    }
    let bytes = mac.finalize().into_bytes();
    bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn is_below(draw: u64, percent: f64) -> bool {
    // 53 bits are exact in a double; the share of draws below `percent` is as exact.
    let uniform = (draw >> 11) as f64 / (1u64 << 53) as f64;
    uniform * 100.0 < percent
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Family;

    /// Cells as the first person and the one after the last.
    fn table(families: &[&[(u32, u32)]]) -> LedgerTable {
        let families = families
            .iter()
            .map(|cells| Family { cells: cells.iter().map(|(from, to)| (*from..*to).collect()).collect() });
        LedgerTable {
            release: "rel-1".parse().unwrap(),
            lineage: BTreeMap::new(),
            threshold: None,
            families: families.collect(),
        }
    }

    #[test]
    fn the_share_of_draws_is_the_profile_s_percentage() {
        assert!(!is_below(0, 0.0), "no review means no draw at all");
        assert!(is_below(0, 5.0) && !is_below(u64::MAX, 99.999));
        assert!(is_below(u64::MAX, 100.0));
        let drawn = (0..10_000u64).filter(|n| is_below(n * (u64::MAX / 10_000), 5.0)).count();
        assert!((499..=501).contains(&drawn));
    }

    #[test]
    fn the_draw_is_spread_over_the_whole_range() {
        let secret = DrawSecret::new([7; 32]);
        let low = (1..2000u32).filter(|n| is_drawn(&secret, &table(&[&[(0, *n)]]), 5.0)).count();
        assert!((40..=180).contains(&low), "about 5 % of the tables are drawn: {low}");
    }

    #[test]
    fn the_same_persons_draw_the_same_however_they_are_arranged() {
        let secret = DrawSecret::new([1; 32]);
        let plain = draw(&secret, &table(&[&[(0, 20), (20, 50)]]));
        assert_eq!(plain, draw(&secret, &table(&[&[(20, 50), (0, 20)]])), "another order of rows");
        assert_eq!(plain, draw(&secret, &table(&[&[(0, 20), (20, 50)], &[(0, 20), (20, 50)]])), "one more column");
        assert_eq!(plain, draw(&secret, &table(&[&[(0, 20)], &[(20, 50)]])), "another arrangement");
        assert_ne!(plain, draw(&secret, &table(&[&[(0, 20), (20, 51)]])), "another person");
        assert_ne!(plain, draw(&DrawSecret::new([2; 32]), &table(&[&[(0, 20), (20, 50)]])), "another secret");
    }

    #[test]
    fn the_secret_is_not_printed() {
        assert_eq!(format!("{:?}", DrawSecret::new([9; 32])), "DrawSecret");
    }
}
