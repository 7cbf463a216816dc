//! What is measured.

use oscar_blueprint::names::Zone;
use oscar_blueprint::{GatewayAccess, TenantPlan, probe_plan, tenant_objects};
use oscar_permit::{Attempt, Sha256Digest};

use crate::fixture::{one, plan};

#[test]
fn every_closed_path_is_tried() {
    let plan = plan();
    for zone in Zone::ALL {
        let names: Vec<String> = probe_plan(&plan, zone).unwrap().must_fail.into_keys().collect();
        for wanted in [
            "outside host 203.0.113.10:443",
            "outside host by UDP 203.0.113.10:53",
            "resolver 10.96.0.10:53",
            "name of the API server",
            "metadata service 169.254.169.254:80",
            "API server 10.96.0.1:443",
            "kubelet 198.51.100.1:10250",
            "lake-api of tenant beta",
            "bucket of tenant beta",
            "own lake-api",
        ] {
            assert!(names.iter().any(|name| name == wanted), "{zone:?}: {wanted} is missing in {names:?}");
        }
    }
    let of = |zone| probe_plan(&plan, zone).unwrap().must_fail;
    assert!(of(Zone::Workspace).contains_key("landing/ of the own bucket"));
    assert!(of(Zone::Intake).contains_key("release/ of the own bucket"));
}

#[test]
fn a_pod_without_any_network_does_not_look_isolated() {
    for zone in Zone::ALL {
        let must_work = probe_plan(&plan(), zone).unwrap().must_work;
        assert!(must_work.values().any(|attempt| matches!(attempt, Attempt::Bucket { .. })));
    }
}

#[test]
fn the_digest_is_that_of_the_file_that_the_probe_reads() {
    let plan = plan();
    let objects = tenant_objects(&plan).unwrap();
    for (zone, namespace) in [(Zone::Workspace, "oscar-acme"), (Zone::Intake, "oscar-acme-intake")] {
        let file = one(&plan, "ConfigMap", namespace, "isolation-probe")["data"]["plan.json"].clone();
        assert_eq!(objects.probe_digest(zone), Sha256Digest::of(file.as_str().unwrap()));
    }
}

#[test]
fn another_firewall_is_another_measurement_and_the_gateways_path_is_not() {
    let digest = |plan: &TenantPlan| tenant_objects(plan).unwrap().workspace_probe;
    let before = digest(&plan());
    let mut other = plan();
    let mut installation = crate::fixture::installation();
    installation.object_store.port = 8333;
    other.installation = std::sync::Arc::new(installation);
    assert_ne!(digest(&other), before);
    assert_eq!(digest(&TenantPlan { gateway: GatewayAccess::Withdrawn, ..plan() }), before);
}
