//! Settings that would open or measure something other than they say.

use std::collections::BTreeMap;

use oscar_blueprint::{Installation, InstallationError, ObjectStore, Peer};

use crate::fixture::installation;

fn fault(change: impl FnOnce(&mut Installation)) -> InstallationError {
    let mut settings = installation();
    change(&mut settings);
    settings.validate().unwrap_err()
}

#[test]
fn the_example_is_good() {
    installation().validate().unwrap();
}

#[test]
fn a_peer_is_never_a_whole_namespace() {
    let whole = Peer::Pods { namespace: "gateway".to_owned(), labels: BTreeMap::new() };
    assert_eq!(fault(|settings| settings.gateway = whole.clone()), InstallationError::Peer("gateway"));
    assert_eq!(fault(|settings| settings.object_store.pods = whole), InstallationError::Peer("objectStore.pods"));
}

#[test]
fn an_image_is_named_by_its_digest() {
    for image in ["lake-api:1", "lake-api@sha256:12", "@sha256:", ""] {
        assert_eq!(fault(|settings| settings.lake_api.image = image.to_owned()), InstallationError::Image);
    }
}

#[test]
fn a_firewall_that_is_not_measured_is_not_accepted() {
    assert_eq!(fault(|settings| settings.probe.outside_udp.clear()), InstallationError::Probe("outsideUdp"));
    assert_eq!(fault(|settings| settings.probe.kubelets.clear()), InstallationError::Probe("kubelets"));
    assert_eq!(fault(|settings| settings.probe.interval_minutes = 0), InstallationError::Interval);
}

#[test]
fn the_store_has_addresses_that_pods_can_reach() {
    fault(|settings| settings.object_store.addresses.clear());
    fault(|settings| settings.object_store.addresses = vec!["127.0.0.1".parse().unwrap()]);
    fault(|settings| settings.object_store.addresses = vec!["0.0.0.0".parse().unwrap()]);
    fault(|settings| settings.object_store.endpoint = "s3.example.dk".to_owned());
}

#[test]
fn the_endpoints_host_is_a_name_or_a_bare_address() {
    for (endpoint, host) in [
        ("https://s3.example.dk", "s3.example.dk"),
        ("https://s3.example.dk:8333/x", "s3.example.dk"),
        ("http://192.0.2.10:8333", "192.0.2.10"),
        ("https://[2001:db8::10]:8333/x", "2001:db8::10"),
        ("https://[2001:db8::10]", "2001:db8::10"),
    ] {
        let store = ObjectStore { endpoint: endpoint.to_owned(), ..installation().object_store };
        assert_eq!(store.host(), host, "{endpoint}");
    }
}

#[test]
fn authorities_are_certificates_and_pull_secrets_have_room() {
    let bundle = Some("/etc/ssl/ca.crt".to_owned());
    assert_eq!(fault(|settings| settings.ca_bundle = bundle), InstallationError::CaBundle);
    let names = (0..5).map(|number| format!("registry-{number}")).collect();
    assert_eq!(fault(|settings| settings.lake_api.pull_secrets = names), InstallationError::PullSecrets);
}

#[test]
fn a_misspelt_setting_is_an_error() {
    let mut json = serde_json::to_value(installation()).unwrap();
    json["gatewey"] = serde_json::json!({});
    assert!(serde_json::from_value::<Installation>(json).is_err());
}
