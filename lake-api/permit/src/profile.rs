//! Disclosure profiles: the numbers the vetting rules use.
//!
//! A profile is data (`policies/profiles/*.yaml`). When a result draws on several
//! datasets, every number is the strictest of theirs. Dominance parameters are the
//! platform's secret: they are never part of an answer to a user.

use serde::{Deserialize, Serialize};

use crate::{CanonicalError, Sha256Digest, canonical_json};

/// No profile may release a cell of fewer persons, whoever asks.
pub const HARD_FLOOR: u32 = 3;

/// The numbers of one disclosure profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DisclosureProfile {
    /// The profile's name, as permits and contracts cite it.
    pub name: String,
    /// T: a cell of 1 to T-1 persons is unsafe (R1).
    pub threshold: u32,
    /// (n, k) of the dominance rule (R3).
    pub dominance: Dominance,
    /// p of the p % rule (R4), in percent.
    pub p_percent: f64,
    /// Least degrees of freedom of a statistic with parameters (R8).
    pub degrees_of_freedom: u32,
    /// Least number of second units in a cell (R10).
    pub second_units: u32,
    /// Counts are shown as multiples of this.
    pub round_to: u32,
    /// Significant digits of sums and means.
    pub significant_digits: u32,
    /// Share of automatic verdicts that goes to review all the same, in percent.
    pub review_percent: f64,
    /// How much may be asked.
    pub quotas: Quotas,
}

/// Dominance rule: the `n` largest contributors hold more than `k_percent` of the total.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dominance {
    /// How many contributors are taken together.
    pub n: u32,
    /// Their largest safe share, in percent.
    pub k_percent: f64,
}

/// Limits for a tenant: under every permit, and on every dataset under all its permits. Refused tries count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Quotas {
    /// Submitted releases, refused ones included.
    pub releases: u32,
    /// Released cells: figures, so a row of three aggregates has three.
    pub cells: u32,
    /// Cells of one release.
    pub cells_per_release: u32,
    /// Literals in one statement.
    pub literals: u32,
}

/// Why a profile is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The text is not a profile.
    #[error("the disclosure profile cannot be read: {0}")]
    Syntax(String),
    /// A number that would weaken the rules below what any profile may do.
    #[error("disclosure profile {name}: {field} must be {rule}")]
    Bound {
        /// The profile.
        name: String,
        /// The field.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// No canonical form.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

impl DisclosureProfile {
    /// Reads and validates a profile.
    ///
    /// # Errors
    /// See [`ProfileError`].
    pub fn from_yaml(text: &str) -> Result<Self, ProfileError> {
        let profile: Self = serde_saphyr::from_str(text).map_err(|error| ProfileError::Syntax(error.to_string()))?;
        profile.validate()?;
        Ok(profile)
    }

    /// Checks the hard floor and that every number means something.
    ///
    /// # Errors
    /// Names the first field out of bounds.
    pub fn validate(&self) -> Result<(), ProfileError> {
        let bound = |ok: bool, field, rule| {
            if ok { Ok(()) } else { Err(ProfileError::Bound { name: self.name.clone(), field, rule }) }
        };
        let percent = |value: f64| value > 0.0 && value <= 100.0;
        bound(self.threshold >= HARD_FLOOR, "threshold", "at least 3")?;
        bound(self.dominance.n >= 1, "dominance.n", "at least 1")?;
        bound(percent(self.dominance.k_percent), "dominance.kPercent", "above 0 and at most 100")?;
        bound(percent(self.p_percent), "pPercent", "above 0 and at most 100")?;
        bound(self.round_to >= 1, "roundTo", "at least 1")?;
        bound((1..=4).contains(&self.significant_digits), "significantDigits", "1 to 4")?;
        bound((0.0..=100.0).contains(&self.review_percent), "reviewPercent", "0 to 100")
    }

    /// The profile that is at least as strict as both in every number.
    #[must_use]
    pub fn strictest(&self, other: &Self) -> Self {
        let name = if self.name == other.name { self.name.clone() } else { format!("{}+{}", self.name, other.name) };
        Self {
            name,
            threshold: self.threshold.max(other.threshold),
            dominance: Dominance {
                n: self.dominance.n.max(other.dominance.n),
                k_percent: self.dominance.k_percent.min(other.dominance.k_percent),
            },
            p_percent: self.p_percent.max(other.p_percent),
            degrees_of_freedom: self.degrees_of_freedom.max(other.degrees_of_freedom),
            second_units: self.second_units.max(other.second_units),
            round_to: self.round_to.max(other.round_to),
            significant_digits: self.significant_digits.min(other.significant_digits),
            review_percent: self.review_percent.max(other.review_percent),
            quotas: self.quotas.strictest(&other.quotas),
        }
    }

    /// SHA-256 of the canonical JSON: the policy hash of receipts.
    ///
    /// # Errors
    /// When a number is not finite.
    pub fn digest(&self) -> Result<Sha256Digest, ProfileError> {
        Ok(Sha256Digest::of(canonical_json(self)?))
    }
}

impl Quotas {
    fn strictest(&self, other: &Self) -> Self {
        Self {
            releases: self.releases.min(other.releases),
            cells: self.cells.min(other.cells),
            cells_per_release: self.cells_per_release.min(other.cells_per_release),
            literals: self.literals.min(other.literals),
        }
    }
}
