//! Every object in full, one file a kind: the whole firewall can be read there.

use oscar_blueprint::{Run, extract_cron_job, extract_job, names::Zone, probe_job};
use oscar_crds::Delivery;
use oscar_permit::{DatasetName, PermitId, Sha256Digest};

use crate::fixture::{objects, of_kind, plan};

#[test]
fn every_object_is_as_it_was_read_last() {
    let plan = plan();
    let mut kinds: Vec<&str> = objects(&plan).iter().map(|object| object.kind.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        insta::assert_json_snapshot!(kind, of_kind(&plan, kind));
    }
}

#[test]
fn the_jobs_are_as_they_were_read_last() {
    let plan = plan();
    let delivery = Delivery {
        folder: "contacts/2026-11".to_owned(),
        descriptor: "datapackage.json".to_owned(),
        digest: Some(format!("sha256:{}", "2".repeat(64))),
    };
    let run = Run {
        extract: "contacts-2026-11",
        delivery: &delivery,
        permit: &PermitId::new("FSEID-1").unwrap(),
        dataset: &DatasetName::new("contacts").unwrap(),
    };
    insta::assert_json_snapshot!("ExtractJob", extract_job(&plan, run, "1"));
    insta::assert_json_snapshot!("ExtractCronJob", extract_cron_job(&plan, run, "0 3 * * *"));
    let digest = Sha256Digest::of("plan");
    insta::assert_json_snapshot!("ProbeJob", probe_job(&plan, Zone::Intake, digest, "7"));
}
