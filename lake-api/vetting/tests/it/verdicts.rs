//! When people look, and when nobody has to.

use oscar_permit::ColumnTag;
use oscar_vetting::{AggregateKind, Evidence, ReleaseContext, ReviewReason, Verdict, judge};
use rstest::rstest;

use crate::population::{Row, Statement, context, group, profile, refused_by};

fn evidence(kinds: &[AggregateKind]) -> Evidence {
    let rows: Vec<Row> = (0..6)
        .flat_map(|n| group(&format!("g{n}"), n * 100..n * 100 + 40))
        .map(|row| Row { argument: row.person.map(|person| f64::from(person % 7)), ..row })
        .collect();
    Statement::by_open_key(kinds).evidence(&rows)
}

fn verdict(kinds: &[AggregateKind], context: &ReleaseContext) -> Verdict {
    judge(&evidence(kinds), &profile(10), &[], context).verdict
}

#[rstest]
#[case(AggregateKind::CountPersons, None)]
#[case(AggregateKind::CountRows, None)]
#[case(AggregateKind::CountNonNull, None)]
#[case(AggregateKind::CountDistinct, Some(ReviewReason::DistinctCount))]
#[case(AggregateKind::Sum, Some(ReviewReason::SumsAndMeans))]
#[case(AggregateKind::Avg, Some(ReviewReason::SumsAndMeans))]
fn only_counts_pass_without_people(#[case] kind: AggregateKind, #[case] reason: Option<ReviewReason>) {
    let expected = reason.map_or(Verdict::Auto, |reason| Verdict::Review(vec![reason]));
    assert_eq!(verdict(&[kind], &context()), expected);
}

#[rstest]
#[case(ReleaseContext { first_of_requester: true, ..context() }, ReviewReason::FirstOfRequester)]
#[case(ReleaseContext { first_of_dataset: true, ..context() }, ReviewReason::FirstOfDataset)]
#[case(ReleaseContext { second_units_named: true, ..context() }, ReviewReason::SecondUnitsUnknown)]
#[case(ReleaseContext { tags: [ColumnTag::SmallArea].into(), ..context() }, ReviewReason::TaggedColumn(ColumnTag::SmallArea))]
#[case(ReleaseContext { tags: [ColumnTag::RareDisease].into(), ..context() }, ReviewReason::TaggedColumn(ColumnTag::RareDisease))]
#[case(
    ReleaseContext { statement_reasons: vec![ReviewReason::Statement("HAVING".into())], ..context() },
    ReviewReason::Statement("HAVING".into())
)]
fn every_circumstance_that_needs_people_is_a_reason(#[case] context: ReleaseContext, #[case] reason: ReviewReason) {
    assert_eq!(verdict(&[AggregateKind::CountPersons], &context), Verdict::Review(vec![reason]));
}

#[test]
fn the_random_draw_sends_a_release_to_people() {
    let mut profile = profile(10);
    let mut verdict = |percent: f64, kinds: &[AggregateKind]| {
        profile.review_percent = percent;
        judge(&evidence(kinds), &profile, &[], &context()).verdict
    };
    let drawn = Verdict::Review(vec![ReviewReason::RandomDraw]);
    let persons = [AggregateKind::CountPersons];
    assert_eq!(verdict(100.0, &persons), drawn);
    assert_eq!(verdict(0.0, &persons), Verdict::Auto);
    // Where the draw falls is the same however the same persons are asked for.
    let falls = (1..100).map(f64::from).find(|percent| verdict(*percent, &persons) == drawn).unwrap();
    assert_eq!(verdict(falls, &[AggregateKind::CountRows, AggregateKind::CountPersons]), drawn);
    assert_eq!(verdict(falls - 1.0, &[AggregateKind::CountNonNull]), Verdict::Auto);
}

#[test]
fn free_text_is_refused() {
    let context = ReleaseContext { tags: [ColumnTag::FreeText].into(), ..context() };
    let judgement = judge(&evidence(&[AggregateKind::CountPersons]), &profile(10), &[], &context);
    assert_eq!(refused_by(&judgement), ["FREE-TEXT"]);
}

#[test]
fn a_profile_below_the_hard_floor_judges_nothing() {
    let judgement = judge(&evidence(&[AggregateKind::CountPersons]), &profile(2), &[], &context());
    assert_eq!(refused_by(&judgement), ["EVIDENCE"]);
}

#[test]
fn a_refusal_is_the_same_text_whatever_the_data() {
    let refusal = |persons: u32| {
        let rows = group("a", 0..persons);
        let judgement = judge(&Statement::by_open_key(&[]).evidence(&rows), &profile(10), &[], &context());
        serde_json::to_string(&judgement.verdict).unwrap()
    };
    assert_eq!(refusal(3), refusal(9));
}
