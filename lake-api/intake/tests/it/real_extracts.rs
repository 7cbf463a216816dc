//! Extracts that others have made, where they are on this machine.

use std::path::{Path, PathBuf};

use oscar_intake::{DeliveryReport, Silent};

use crate::spoke::{Spoke, permit_for};

fn data() -> PathBuf {
    std::env::var_os("OSCAR_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from)
}

async fn deliver(package: &str, files: &Path, dataset: &str, tables: &[&str]) -> Option<DeliveryReport> {
    if !files.is_dir() {
        oscar_peers::skipped(&format!("the data of {package} is not in the test data folder (OSCAR_TEST_DATA)"));
        return None;
    }
    let spoke = Spoke::new();
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/packages").join(package);
    let open = spoke.open().await;
    let report = open.intake.deliver(&package, Some(files), &permit_for("P-1", dataset, tables), &Silent).await;
    Some(report.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_diabetes_register_comes_in_with_every_person() {
    let Some(report) = deliver("diabetes-register", &data().join("dk"), "diabetes_register", &["person"]).await else {
        return;
    };
    assert_eq!(report.persons, 10_000);
    let table = report.tables.values().next().unwrap();
    assert_eq!((table.rows, table.quarantined), (10_000, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_omop_tables_come_in_and_share_their_persons() {
    let tables = [
        ("concept", 444),
        ("condition_era", 65_719),
        ("condition_occurrence", 65_332),
        ("drug_era", 52_508),
        ("drug_exposure", 67_707),
        ("measurement", 44_053),
        ("observation", 1477),
        ("observation_period", 5343),
        ("person", 2694),
        ("procedure_occurrence", 37_409),
        ("visit_occurrence", 1037),
    ];
    let names: Vec<&str> = tables.iter().map(|(name, _)| *name).collect();
    let Some(report) = deliver("omop-gibleed", &data().join("omop-gibleed"), "omop_gibleed", &names).await else {
        return;
    };
    let found: Vec<(&str, u64)> = report.tables.iter().map(|(name, table)| (name.as_str(), table.rows)).collect();
    assert_eq!(found, tables);
    assert!(report.tables.values().all(|table| table.quarantined == 0));
    println!("{:?}", report.persons);
}
