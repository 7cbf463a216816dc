//! Reproducible chance: every file has its own stream, derived from the seed and the
//! file's name, so that a change to one file leaves the bytes of the others alone.

use oscar_permit::Sha256Digest;
use rand::distr::Distribution as _;
use rand::distr::weighted::WeightedIndex;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};

/// One reproducible stream of chance. The algorithm is named (not "the standard one"),
/// because its successor in a later library version would change every generated file.
pub(crate) struct Draw(Xoshiro256PlusPlus);

impl Draw {
    /// The stream of `purpose` under `seed`.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        let digest = Sha256Digest::of(format!("oscar-demo/{seed}/{purpose}"));
        Self(Xoshiro256PlusPlus::from_seed(*digest.as_bytes()))
    }

    /// A number from 0 to `end - 1`; 0 when `end` is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { self.0.random_range(0..end) }
    }

    /// A whole number from `least` to `most`, both possible.
    pub(crate) fn between(&mut self, least: i64, most: i64) -> i64 {
        self.0.random_range(least..=most.max(least))
    }

    /// A number in 0..1, never 0: it may be divided by.
    pub(crate) fn share(&mut self) -> f64 {
        1.0 - self.0.random::<f64>()
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.share() <= probability
    }

    /// An index, by weight.
    pub(crate) fn weighted(&mut self, weights: &WeightedIndex<f64>) -> usize {
        weights.sample(&mut self.0)
    }

    /// How often something happens that happens `rate` times on average, with a heavy
    /// tail: most have little, a few have very much, none more than `most`.
    pub(crate) fn heavy_tailed(&mut self, rate: f64, most: u32) -> u32 {
        // 1/sqrt(u) has mean 2, so half of it keeps the rate and gives a Pareto tail.
        let own_rate = rate * 0.5 / self.share().sqrt();
        let mut count = 0;
        while count < most && self.chance(own_rate / (1.0 + own_rate)) {
            count += 1;
        }
        count
    }
}
