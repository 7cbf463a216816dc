//! What a pod of a tenant may have: nothing of the node, nothing of the cluster.

use std::sync::Arc;

use oscar_blueprint::{Running, TenantPlan};
use serde_json::{Value, json};

use crate::fixture::{installation, of_kind, one, plan};

/// All pod templates.
fn templates(plan: &TenantPlan) -> Vec<Value> {
    let deployments = of_kind(plan, "Deployment").into_iter().map(|object| object["spec"]["template"].clone());
    let crons = of_kind(plan, "CronJob");
    let crons = crons.into_iter().map(|object| object["spec"]["jobTemplate"]["spec"]["template"].clone());
    deployments.chain(crons).collect()
}

#[test]
fn every_pod_meets_the_restricted_standard() {
    for template in templates(&plan()) {
        let spec = &template["spec"];
        assert_eq!(spec["automountServiceAccountToken"], false);
        assert_eq!(spec["enableServiceLinks"], false);
        for host in ["hostNetwork", "hostPID", "hostIPC"] {
            assert_eq!(spec[host], false, "{host}");
        }
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
        assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        for container in spec["containers"].as_array().unwrap() {
            let security = &container["securityContext"];
            assert_eq!(security["readOnlyRootFilesystem"], true);
            assert_eq!(security["allowPrivilegeEscalation"], false);
            assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
            assert!(container["image"].as_str().unwrap().contains("@sha256:"));
            for resource in ["cpu", "memory", "ephemeral-storage"] {
                assert!(container["resources"]["limits"][resource].is_string(), "{resource}");
            }
        }
        let volumes = spec["volumes"].as_array().unwrap();
        assert!(volumes.iter().all(|volume| volume.get("hostPath").is_none() && volume.get("projected").is_none()));
    }
}

#[test]
fn no_pod_has_a_resolver() {
    for template in templates(&plan()) {
        assert_eq!(template["spec"]["dnsPolicy"], "None");
        assert_eq!(template["spec"]["dnsConfig"]["nameservers"], json!(["127.0.0.1"]));
        let aliases = template["spec"]["hostAliases"].as_array().unwrap();
        assert!(aliases.iter().all(|alias| alias["hostnames"] == json!(["s3.example.dk"])));
    }
}

#[test]
fn a_tenant_without_secrets_or_suspended_runs_nothing() {
    for plan in [TenantPlan { secrets: None, ..plan() }, TenantPlan { running: Running::Suspended, ..plan() }] {
        assert_eq!(of_kind(&plan, "Deployment")[0]["spec"]["replicas"], 0);
        assert!(of_kind(&plan, "CronJob").iter().all(|cron| cron["spec"]["suspend"] == true));
    }
    assert_eq!(of_kind(&plan(), "Deployment")[0]["spec"]["replicas"], 1);
}

#[test]
fn a_storage_class_gives_scratch_space_a_volume_of_its_own() {
    let mut settings = installation();
    settings.scratch.storage_class = Some("fast".to_owned());
    let plan = TenantPlan { installation: Arc::new(settings), ..plan() };
    let deployment = one(&plan, "Deployment", "oscar-acme", "lake-api");
    let volumes = deployment["spec"]["template"]["spec"]["volumes"].as_array().unwrap();
    let scratch = volumes.iter().find(|volume| volume["name"] == "scratch").unwrap();
    assert_eq!(scratch["ephemeral"]["volumeClaimTemplate"]["spec"]["storageClassName"], "fast");
    assert!(scratch.get("emptyDir").is_none());
}

#[test]
fn only_what_is_read_once_rolls_the_lake_api_out() {
    let template = |plan: &TenantPlan| one(plan, "Deployment", "oscar-acme", "lake-api")["spec"]["template"].clone();
    let before = template(&plan());
    let mut fewer = plan();
    fewer.permits.clear();
    fewer.issuers[0].jwks = Some("{\"keys\":[1]}".to_owned());
    assert_eq!(template(&fewer), before, "permits and keys are looked at while it runs");
    let mut another = plan();
    another.issuers[0].audience = "else".to_owned();
    assert_ne!(template(&another), before, "the configuration is read at the start");
}
