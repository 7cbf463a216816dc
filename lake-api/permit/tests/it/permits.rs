use chrono::{DateTime, Duration, Utc};
use oscar_permit::{DataPermit, Denial, Identity, PermitError, Role};
use rstest::rstest;

const PERMIT: &str = r"
id: FSEID-00006512
tenant: acme
authority: Danish Health Data Authority
legalBasis: Sundhedsloven § 46
purpose: [DUO:0000007]
persons:
  - {issuer: 'https://login.example', subject: alice, role: analyst}
  - {issuer: 'https://login.example', subject: carol, role: controller-steward}
datasets:
  - dataset: contacts
    tables:
      - table: visits
        columns: [visit_date, region]
        rowFilter:
          - {column: region, in: ['1081', '1082']}
profile: strict
validFrom: 2026-01-01T00:00:00Z
validUntil: 2027-01-01T00:00:00Z
";

fn permit() -> DataPermit {
    DataPermit::from_yaml(PERMIT).unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn identity(issuer: &str, subject: &str) -> Identity {
    Identity { issuer: issuer.to_owned(), subject: subject.to_owned() }
}

#[test]
fn a_named_person_has_the_role_that_the_permit_gives() {
    let permit = permit();
    let grant = permit.access(&identity("https://login.example", "alice"), at("2026-06-01T00:00:00Z")).unwrap();
    assert_eq!(grant.role, Role::Analyst);
}

#[test]
fn the_same_subject_at_another_issuer_is_somebody_else() {
    let permit = permit();
    let denial = permit.access(&identity("https://login.example/", "alice"), at("2026-06-01T00:00:00Z"));
    assert!(matches!(denial, Err(Denial::UnknownPerson(_))));
}

#[test]
fn validity_begins_with_its_first_moment_and_ends_before_its_last() {
    let permit = permit();
    assert!(permit.in_force(permit.valid_from).is_ok());
    assert!(matches!(permit.in_force(permit.valid_from - Duration::nanoseconds(1)), Err(Denial::NotYetValid(_))));
    assert!(permit.in_force(permit.valid_until - Duration::nanoseconds(1)).is_ok());
    assert!(matches!(permit.in_force(permit.valid_until), Err(Denial::Expired(_))));
}

#[test]
fn a_revoked_permit_gives_nothing_from_that_moment() {
    let mut permit = permit();
    let moment = at("2026-06-01T00:00:00Z");
    permit.revoked_at = Some(moment);
    assert!(permit.in_force(moment - Duration::seconds(1)).is_ok());
    assert!(matches!(permit.in_force(moment), Err(Denial::Revoked(_))));
}

#[test]
fn a_table_or_column_that_is_not_listed_is_not_granted() {
    let permit = permit();
    let dataset = "contacts".parse().unwrap();
    let visits = permit.table(&dataset, &"visits".parse().unwrap()).unwrap();
    assert!(visits.allows("region"));
    assert!(!visits.allows("diagnosis"));
    assert!(permit.table(&dataset, &"people".parse().unwrap()).is_none());
}

#[rstest]
#[case::misspelt_restriction("rowFilter", "rowfilter")]
#[case::filter_that_says_nothing("in: ['1081', '1082']", "in: []")]
#[case::filter_that_says_two_things("in: ['1081', '1082']", "in: ['1081'], from: '1000'")]
#[case::end_before_beginning("2027-01-01", "2025-01-01")]
#[case::unknown_role("role: analyst", "role: admin")]
#[case::empty_subject("subject: alice", "subject: ''")]
#[case::no_purpose("purpose: [DUO:0000007]", "purpose: []")]
#[case::same_person_twice("subject: carol", "subject: alice")]
fn a_permit_that_leaves_a_doubt_is_refused(#[case] from: &str, #[case] to: &str) {
    assert!(PERMIT.contains(from));
    assert!(DataPermit::from_yaml(&PERMIT.replace(from, to)).is_err());
}

#[rstest]
#[case::every_column("columns: [visit_date, region]", "columns:")]
#[case::no_column("columns: [visit_date, region]", "columns: []")]
#[case::every_row("rowFilter:\n          - {column: region, in: ['1081', '1082']}", "rowFilter:")]
#[case::no_codes("in: ['1081', '1082']", "in: ~, from: '1081'")]
#[case::no_exceptions("in: ['1081', '1082']", "notIn: ~, from: '1081'")]
#[case::no_lower_end("in: ['1081', '1082']", "from: ~, until: '1082'")]
#[case::no_upper_end("in: ['1081', '1082']", "from: '1081', until: ~")]
#[case::never_revoked("profile: strict", "profile: strict\nrevokedAt:")]
fn a_restriction_with_nothing_behind_it_is_refused_and_grants_nothing(#[case] from: &str, #[case] to: &str) {
    assert!(PERMIT.contains(from));
    assert!(DataPermit::from_yaml(&PERMIT.replace(from, to)).is_err());
}

#[test]
fn what_is_left_out_is_not_restricted_and_a_word_without_value_says_what_to_do() {
    let permit = DataPermit::from_yaml(&PERMIT.replace("        columns: [visit_date, region]\n", "")).unwrap();
    let dataset = "contacts".parse().unwrap();
    assert!(permit.table(&dataset, &"visits".parse().unwrap()).unwrap().allows("diagnosis"));
    assert_eq!(permit.revoked_at, None);
    let error = DataPermit::from_yaml(&PERMIT.replace("columns: [visit_date, region]", "columns:")).unwrap_err();
    assert!(error.to_string().contains("leave the word out"), "{error}");
}

#[test]
fn a_permit_is_the_same_in_json_and_yaml() {
    let permit = permit();
    let json = serde_json::to_string(&permit).unwrap();
    let read = DataPermit::from_yaml(&json).unwrap();
    assert_eq!(read, permit);
    assert_eq!(read.digest().unwrap(), permit.digest().unwrap());
}

#[test]
fn text_that_is_no_permit_is_a_syntax_error() {
    assert!(matches!(DataPermit::from_yaml("[]"), Err(PermitError::Syntax(_))));
    assert!(DataPermit::from_yaml("").is_err());
}
