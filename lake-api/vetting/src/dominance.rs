//! R3 and R4: no contributor, and no few together, may make up a total.
//!
//! Let x1 ≥ x2 ≥ … be the persons' absolute totals and X their sum.
//!
//! * R3, dominance (n, k): unsafe if x1 + … + xn > k·X. The evidence holds the two largest;
//!   for n > 2 the rule uses x1 + (n − 1)·x2 ≥ x1 + … + xn, which errs on the safe side.
//! * R4, p percent: unsafe if X − x1 − x2 < p·x1, for then the second largest can estimate
//!   the largest within p percent.
//!
//! X = 0 says that every contribution is zero; that is the business of R5.
//! Source: Hundepool et al., Statistical Disclosure Control (2012), section 4.2.

use oscar_permit::DisclosureProfile;

use crate::{AggregateEvidence, AggregateKind, RuleId};

/// Whether the two rules apply to an aggregate. Where every person counts once no person
/// can dominate, and distinct values have no contribution per person.
const fn applies(kind: AggregateKind) -> bool {
    match kind {
        AggregateKind::CountRows | AggregateKind::CountNonNull | AggregateKind::Sum | AggregateKind::Avg => true,
        AggregateKind::CountPersons | AggregateKind::CountDistinct => false,
    }
}

/// The rules that the aggregate breaks.
pub(crate) fn broken_rules(found: &AggregateEvidence, kind: AggregateKind, profile: &DisclosureProfile) -> Vec<RuleId> {
    let AggregateEvidence {
        value: _,
        support: _,
        non_null_rows: _,
        absolute_total,
        largest: [first, second],
        range: _,
    } = found;
    let mut broken = Vec::new();
    if !applies(kind) || *absolute_total <= 0.0 {
        return broken;
    }
    let leading = first + f64::from(profile.dominance.n.saturating_sub(1)) * second;
    if leading > profile.dominance.k_percent / 100.0 * absolute_total {
        broken.push(RuleId::R3);
    }
    if absolute_total - first - second < profile.p_percent / 100.0 * first {
        broken.push(RuleId::R4);
    }
    broken
}
