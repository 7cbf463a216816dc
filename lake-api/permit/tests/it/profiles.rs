use oscar_permit::{DisclosureProfile, ProfileError};
use rstest::rstest;

const STRICT: &str = include_str!("../../../../policies/profiles/strict.yaml");
const SDS: &str = include_str!("../../../../policies/profiles/sds.yaml");

#[test]
fn the_shipped_profiles_are_valid_and_keep_their_promise() {
    let strict = DisclosureProfile::from_yaml(STRICT).unwrap();
    let sds = DisclosureProfile::from_yaml(SDS).unwrap();
    assert_eq!((strict.threshold, sds.threshold), (10, 5));
}

#[test]
fn of_two_profiles_every_number_is_the_stricter_one() {
    let strict = DisclosureProfile::from_yaml(STRICT).unwrap();
    let mut loose = DisclosureProfile::from_yaml(SDS).unwrap();
    loose.round_to = 10;
    loose.quotas.releases = 1;
    for both in [strict.strictest(&loose), loose.strictest(&strict)] {
        assert_eq!(both.threshold, 10);
        assert_eq!(both.round_to, 10);
        assert_eq!(both.quotas.releases, 1);
    }
}

#[test]
fn a_profile_is_as_strict_as_itself() {
    let strict = DisclosureProfile::from_yaml(STRICT).unwrap();
    assert_eq!(strict.strictest(&strict), strict);
}

#[rstest]
#[case("threshold: 10", "threshold: 2", "threshold")]
#[case("kPercent: 85", "kPercent: 0", "dominance.kPercent")]
#[case("pPercent: 10", "pPercent: .nan", "pPercent")]
#[case("roundTo: 5", "roundTo: 0", "roundTo")]
#[case("significantDigits: 3", "significantDigits: 17", "significantDigits")]
fn a_profile_below_the_floor_is_refused(#[case] from: &str, #[case] to: &str, #[case] expected: &str) {
    assert!(STRICT.contains(from));
    match DisclosureProfile::from_yaml(&STRICT.replace(from, to)) {
        Err(ProfileError::Bound { field, .. }) => assert_eq!(field, expected),
        other => panic!("expected a bound error on {expected}, got {other:?}"),
    }
}

#[test]
fn a_misspelt_number_is_refused() {
    assert!(DisclosureProfile::from_yaml(&STRICT.replace("roundTo", "roundto")).is_err());
}
