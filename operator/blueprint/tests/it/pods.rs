//! What a pod of a tenant may have: nothing of the node, nothing of the cluster.

use std::sync::Arc;

use oscar_blueprint::{PullSecret, Running, TenantPlan, Unknown, tenant_objects};
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
fn no_pod_has_an_alias_for_an_address() {
    let mut settings = installation();
    settings.object_store.endpoint = "https://[2001:db8::10]:8333".to_owned();
    let plan = TenantPlan { installation: Arc::new(settings), ..plan() };
    assert!(templates(&plan).iter().all(|template| template["spec"].get("hostAliases").is_none()));
}

#[test]
fn every_pod_trusts_the_authorities_that_are_named() {
    let mut settings = installation();
    settings.ca_bundle = Some("-----BEGIN CERTIFICATE-----".to_owned());
    let trusting = TenantPlan { installation: Arc::new(settings), ..plan() };
    for template in templates(&trusting) {
        let container = &template["spec"]["containers"][0];
        let variables = container["env"].as_array().unwrap();
        let file = variables.iter().find(|variable| variable["name"] == "SSL_CERT_FILE").unwrap();
        assert_eq!(file["value"], "/etc/oscar/authorities/ca.crt");
        let mounts = container["volumeMounts"].as_array().unwrap();
        assert!(mounts.iter().any(|mount| mount["name"] == "authorities"));
    }
    for namespace in ["oscar-acme", "oscar-acme-intake"] {
        let authorities = one(&trusting, "ConfigMap", namespace, "authorities");
        assert_eq!(authorities["data"]["ca.crt"], "-----BEGIN CERTIFICATE-----");
    }
    let annotations = |plan: &TenantPlan| templates(plan)[0]["metadata"]["annotations"].clone();
    assert_ne!(annotations(&trusting), annotations(&plan()), "programs read it once, at their start");
}

#[test]
fn images_are_pulled_with_secrets_that_are_in_the_pods_own_namespace() {
    let mut settings = installation();
    // Named like one of the tenant's own.
    settings.lake_api.pull_secrets = vec!["storage".to_owned()];
    let pull_secrets = vec![PullSecret { name: "storage".to_owned(), config: "{}".to_owned() }];
    let plan = TenantPlan { installation: Arc::new(settings), pull_secrets, ..plan() };
    for template in templates(&plan) {
        assert_eq!(template["spec"]["imagePullSecrets"], json!([{"name": "pull-storage"}]));
    }
    for namespace in ["oscar-acme", "oscar-acme-intake"] {
        let secret = one(&plan, "Secret", namespace, "pull-storage");
        assert_eq!(secret["type"], "kubernetes.io/dockerconfigjson");
        assert!(secret["data"][".dockerconfigjson"].is_string());
        assert_eq!(one(&plan, "Secret", namespace, "storage")["type"], "Opaque");
    }
}

#[test]
fn programs_stay_as_they_are_while_nobody_knows_of_the_secrets() {
    let unknown = Unknown { secrets: true, issuer_keys: false };
    let plan = TenantPlan { secrets: None, unknown, ..plan() };
    for program in ["Deployment", "CronJob"] {
        assert!(of_kind(&plan, program).is_empty(), "{program}");
        let left = tenant_objects(&plan).unwrap().left_alone;
        assert!(left.iter().any(|object| object.kind.kind == program), "{program} still belongs to the tenant");
    }
    assert!(!of_kind(&plan, "NetworkPolicy").is_empty() && !of_kind(&plan, "ConfigMap").is_empty());
    let suspended = TenantPlan { running: Running::Suspended, ..plan };
    assert_eq!(of_kind(&suspended, "Deployment")[0]["spec"]["replicas"], 0);
    assert!(of_kind(&suspended, "CronJob").iter().all(|cron| cron["spec"]["suspend"] == true));
}

#[test]
fn issuers_keys_stay_as_they_are_while_nobody_knows_those_of_before() {
    let names = |plan: &TenantPlan| -> Vec<String> {
        let config_maps = of_kind(plan, "ConfigMap").into_iter();
        config_maps.map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    };
    assert!(names(&plan()).contains(&"jwks".to_owned()));
    let plan = TenantPlan { unknown: Unknown { secrets: false, issuer_keys: true }, ..plan() };
    assert!(!names(&plan).contains(&"jwks".to_owned()) && names(&plan).contains(&"permits".to_owned()));
    assert!(tenant_objects(&plan).unwrap().left_alone.iter().all(|object| object.name == "jwks"));
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
