//! Quotas at their boundaries.

use oscar_vetting::{QuotaExceeded, QuotaUse, quota_decision};
use rstest::rstest;

use crate::population::profile;

#[rstest]
#[case((499, 0), (1, 0, 200), Ok(()))]
#[case((500, 0), (1, 0, 0), Err(QuotaExceeded::Releases(500)))]
#[case((0, 49_900), (1, 100, 0), Ok(()))]
#[case((0, 49_901), (1, 100, 0), Err(QuotaExceeded::Cells(50_000)))]
#[case((0, 0), (1, 0, 201), Err(QuotaExceeded::Literals(200)))]
#[case((u64::MAX, 0), (1, 0, 0), Err(QuotaExceeded::Releases(500)))]
fn a_request_fits_up_to_the_limit_and_not_beyond(
    #[case] (releases, cells): (u64, u64),
    #[case] (asked_releases, asked_cells, literals): (u64, u64, u32),
    #[case] expected: Result<(), QuotaExceeded>,
) {
    let used = QuotaUse { releases, cells, literals: 0 };
    let asked = QuotaUse { releases: asked_releases, cells: asked_cells, literals };
    assert_eq!(quota_decision(used, asked, &profile(10).quotas), expected);
}
