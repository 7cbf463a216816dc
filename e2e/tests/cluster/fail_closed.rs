//! What cannot be measured to be closed is not open: never Ready, off the gateway, said why.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use oscar_e2e::cluster::{Cluster, HOME, tenant};
use serde_json::{Value, json};

use crate::firewall::set_locked;
use crate::{cluster, own_cluster};

/// A condition's status and reason.
fn condition(cluster: &Cluster, name: &str, kind: &str) -> (String, String) {
    let tenant = cluster.get(&["tenant", name]).unwrap();
    let conditions = tenant["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == kind).cloned().unwrap_or_default();
    let word = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    (word("status"), word("reason"))
}

/// Waits for a reason of `Isolated`; returns its message.
fn isolated_because(cluster: &Cluster, name: &str, reason: &str) -> String {
    let found = cluster.until(reason, || {
        let tenant = cluster.get(&["tenant", name])?;
        let conditions = tenant["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let met = conditions.into_iter().find(|found| found["type"] == "Isolated" && found["reason"] == reason);
        Ok(met.map(|found| found["message"].as_str().unwrap_or_default().to_owned()))
    });
    found.unwrap_or_else(|error| panic!("{error}: {:?}", condition(cluster, name, "Isolated")))
}

/// Whether the gateway's pod gets any answer of the lake-api.
fn gateway_reaches(cluster: &Cluster, name: &str) -> bool {
    let service = cluster.get(&["-n", &format!("oscar-{name}"), "service", "lake-api"]).unwrap();
    let address = service["spec"]["clusterIP"].as_str().unwrap().to_owned();
    let try_it = ["-n", "gateway", "exec", "gateway", "--", "/busybox", "timeout", "3", "/busybox", "telnet"];
    let tried = cluster.try_kubectl(&[&try_it[..], &[&address, "8443"]].concat()).unwrap();
    String::from_utf8_lossy(&[tried.stdout, tried.stderr].concat()).contains("Connected")
}

/// Events about a tenant with this reason.
fn events(cluster: &Cluster, name: &str, reason: &str) -> u64 {
    let events = cluster.get(&["-n", "default", "events"]).unwrap();
    let about = |event: &&Value| event["reason"] == reason && event["involvedObject"]["name"] == name;
    // One object counts all of a kind that come close together.
    let times = |event: &Value| event["series"]["count"].as_u64().unwrap_or(1);
    events["items"].as_array().unwrap().iter().filter(about).map(times).sum()
}

/// Starts another operator and has it make another lake-api of a tenant.
fn make_pods_anew(cluster: &Cluster, name: &str) {
    let suspend = |suspend: bool| {
        let patch = json!({"spec": {"suspend": suspend}}).to_string();
        cluster.kubectl(&["patch", "tenant", name, "--type", "merge", "-p", &patch]).unwrap();
    };
    cluster.run_operators(0).unwrap();
    cluster.run_operators(1).unwrap();
    suspend(true);
    let gone = ["wait", "--for=delete", "pod", "-l", "host.oscar-project.com/role=lake-api", "--timeout=120s"];
    cluster.kubectl(&[&["-n", &format!("oscar-{name}")], &gone[..]].concat()).unwrap();
    suspend(false);
}

#[test]
fn a_tenant_made_while_the_network_plugin_is_stopped_is_not_ready_until_it_was_measured() {
    let Some(turn) = own_cluster() else { return };
    let cluster: &Cluster = &turn;
    cluster.stop(&["cilium"]).unwrap();
    cluster.apply(&tenant("unplugged", &cluster.issuer())).unwrap();
    let said = isolated_because(cluster, "unplugged", "NotMeasurable");
    println!("without the network plugin: {said}");
    assert!(said.contains("network plugin"), "{said}");
    for _ in 0..10 {
        assert_eq!(condition(cluster, "unplugged", "Ready").0, "False");
        std::thread::sleep(Duration::from_secs(1));
    }
    let gateway = ["-n", "oscar-unplugged", "get", "networkpolicy", "allow-gateway-to-lake-api"];
    assert!(!cluster.try_kubectl(&gateway).unwrap().status.success(), "the gateway has no path");
    let begun = Instant::now();
    cluster.start_stopped().unwrap();
    // A Cilium that was killed sometimes lets no packet of the operator through to a pod that was made
    // while it came back, for minutes, with everything else in order. The tenant says so and stays off
    // the gateway; an administrator who makes both pods anew restarts the one and suspends the other.
    if let Err(silent) = cluster.wait_for(&["tenant", "unplugged"], "Ready", "True") {
        println!("the network plugin has not come back as it was: {silent:#}");
        assert_eq!(condition(cluster, "unplugged", "PermitsApplied").1, "LakeApiSilent");
        make_pods_anew(cluster, "unplugged");
        cluster.wait_for(&["tenant", "unplugged"], "Ready", "True").unwrap();
    }
    println!("Ready {:.1} s after the network plugin was started", begun.elapsed().as_secs_f64());
    cluster.kubectl(&["delete", "tenant", "unplugged", "--timeout=150s"]).unwrap();
}

#[test]
fn a_firewall_that_somebody_else_widens_takes_the_tenant_off_the_gateway_until_it_was_measured_again() {
    let Some(turn) = cluster() else { return };
    let cluster: &Cluster = &turn;
    let object = ["tenant", "widened"];
    cluster.apply(&tenant("widened", &cluster.issuer())).unwrap();
    cluster.wait_for(&object, "Ready", "True").unwrap();
    assert!(gateway_reaches(cluster, "widened"), "the gateway has a path while the firewall holds");
    set_locked(cluster, false);

    // A policy of somebody else's beside ours.
    let wide = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "wide", "namespace": "oscar-widened"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}});
    cluster.apply(&wide).unwrap();
    let begun = Instant::now();
    let gone = ["-n", "oscar-widened", "wait", "--for=delete", "networkpolicy/wide", "--timeout=5s"];
    assert!(cluster.try_kubectl(&gone).unwrap().status.success(), "it is removed");
    let said = isolated_because(cluster, "widened", "Disturbed");
    println!("a foreign policy is gone after {:.1} s: {said}", begun.elapsed().as_secs_f64());
    cluster.wait_for(&object, "Ready", "True").unwrap();
    println!("measured and Ready again after {:.1} s", begun.elapsed().as_secs_f64());

    // A controller that widens one of ours, again and again.
    let repaired = events(cluster, "widened", "DriftRepaired");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let egress = r#"[{"op": "replace", "path": "/spec/egress", "value": [{}]}]"#;
            while !stop.load(Ordering::Relaxed) {
                let patch =
                    ["-n", "oscar-widened", "patch", "networkpolicy", "deny-all", "--type", "json", "-p", egress];
                let _ = cluster.try_kubectl(&patch);
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        cluster.wait_for(&object, "Ready", "False").unwrap();
        std::thread::sleep(Duration::from_secs(3));
        for _ in 0..12 {
            assert_eq!(condition(cluster, "widened", "Ready").0, "False", "while somebody widens the firewall");
            assert!(!gateway_reaches(cluster, "widened"), "the gateway has no path meanwhile");
            std::thread::sleep(Duration::from_secs(1));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let (_, reason) = condition(cluster, "widened", "Isolated");
    println!("while somebody widened it: {reason}");
    assert!(["Disturbed", "Breached", "NotMeasurable"].contains(&reason.as_str()), "{reason}");
    assert!(events(cluster, "widened", "DriftRepaired") > repaired, "an event says so");
    let begun = Instant::now();
    cluster.wait_for(&object, "Ready", "True").unwrap();
    println!("Ready {:.1} s after the last widening", begun.elapsed().as_secs_f64());
    // What is taken away belongs to nobody, and comes back all the same.
    let guard = "/spec/template/spec/containers/0/securityContext/readOnlyRootFilesystem";
    let remove = json!([{"op": "remove", "path": guard}]).to_string();
    cluster
        .kubectl(&["-n", "oscar-widened", "patch", "deployment", "lake-api", "--type", "json", "-p", &remove])
        .unwrap();
    let begun = Instant::now();
    let back = cluster.until("what was taken away", || {
        let found = cluster.get(&["-n", "oscar-widened", "deployment", "lake-api"])?;
        Ok((found.pointer(guard) == Some(&json!(true))).then_some(()))
    });
    back.unwrap();
    println!("a guard that was taken away is back after {:.1} s", begun.elapsed().as_secs_f64());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    cluster.wait_for(&object, "Ready", "True").unwrap();
    set_locked(cluster, true);
    assert!(gateway_reaches(cluster, "widened"));
    cluster.kubectl(&["delete", "tenant", "widened", "--timeout=150s"]).unwrap();
}

#[test]
fn a_probe_that_cannot_run_takes_the_tenant_off_the_gateway_and_says_why() {
    let Some(turn) = cluster() else { return };
    let cluster: &Cluster = &turn;
    let object = ["tenant", "probed"];
    cluster.apply(&tenant("probed", &cluster.issuer())).unwrap();
    cluster.wait_for(&object, "Ready", "True").unwrap();
    // An image that nobody has: neither a new lake-api nor a probe starts, the old lake-api runs on.
    let image = "localhost/oscar/nowhere@sha256:0000000000000000000000000000000000000000000000000000000000000000";
    cluster.upgrade(&Cluster::chart(), &[&format!("lakeApi.image={}", json!(image))]).unwrap();
    let said = isolated_because(cluster, "probed", "NotMeasurable");
    println!("without the image: {said}");
    // A probe that the old schedule began a moment before has an image that is no longer allowed, and gets no pod.
    let why = said.contains("Image") || said.contains("no pod is made for it");
    assert!(said.contains("the probe does not start") && why, "{said}");
    assert!(!gateway_reaches(cluster, "probed"), "the gateway has no path");
    // A tenant that has never run says that of its workspace, too.
    cluster.apply(&tenant("imageless", &cluster.issuer())).unwrap();
    let reason = cluster.until("the image's fault", || {
        let (status, reason) = condition(cluster, "imageless", "WorkspaceReady");
        Ok((status == "False" && reason == "ImageNotPullable").then_some(reason))
    });
    reason.unwrap_or_else(|error| panic!("{error}: {:?}", condition(cluster, "imageless", "WorkspaceReady")));
    assert_eq!(condition(cluster, "imageless", "Ready").0, "False");
    let begun = Instant::now();
    cluster.upgrade(&Cluster::chart(), &[]).unwrap();
    cluster.wait_for(&object, "Ready", "True").unwrap();
    cluster.wait_for(&["tenant", "imageless"], "Ready", "True").unwrap();
    println!("both Ready {:.1} s after the image was right again", begun.elapsed().as_secs_f64());
    cluster.kubectl(&["delete", "tenant", "probed", "imageless", "--timeout=150s"]).unwrap();
    assert!(cluster.get(&["-n", HOME, "deployment", "oscar-operator"]).is_ok());
}
