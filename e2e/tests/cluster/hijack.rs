//! What somebody with all rights in the cluster, but who is not the operator, may not do.

use std::fmt::Write as _;

use oscar_e2e::cluster::{Cluster, HOME, tenant};
use serde_json::json;

use crate::cluster;

/// Every attempt as mallory, whom a careless administrator has bound to cluster-admin.
const CAREFREE: [&str; 2] = ["--as=mallory", "--as-group=system:authenticated"];

struct Attempts<'c> {
    cluster: &'c Cluster,
    allowed: String,
}

impl Attempts<'_> {
    fn denied(&mut self, what: &str, arguments: &[&str], input: &str) {
        let output = self.cluster.kubectl_with(&[&CAREFREE[..], arguments].concat(), input).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() || !(said.contains("denied") || said.contains("orbidden") || said.contains("nvalid"))
        {
            writeln!(self.allowed, "{what}: {}{said}", String::from_utf8_lossy(&output.stdout)).unwrap();
        }
    }
}

#[test]
fn whoever_has_every_right_but_is_not_the_operator_changes_nothing_of_a_tenant() {
    let Some(turn) = cluster() else { return };
    let cluster: &Cluster = &turn;
    cluster
        .apply(&json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "careless"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "User", "name": "mallory", "apiGroup": "rbac.authorization.k8s.io"}]}))
        .unwrap();
    cluster.apply(&tenant("guarded", &cluster.issuer())).unwrap();
    cluster.wait_for(&["tenant", "guarded"], "Ready", "True").unwrap();
    let uid = cluster.get(&["tenant", "guarded"]).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
    let mut attempts = Attempts { cluster, allowed: String::new() };
    namespaces(&mut attempts, &uid);
    objects(&mut attempts);
    pods(&mut attempts);
    findings(&mut attempts);
    assert!(attempts.allowed.is_empty(), "allowed:\n{}", attempts.allowed);
    cluster.wait_for(&["tenant", "guarded"], "Ready", "True").unwrap();
    cluster.kubectl(&["delete", "tenant", "guarded", "--timeout=150s"]).unwrap();
    cluster.kubectl(&["delete", "clusterrolebinding", "careless"]).unwrap();
}

fn namespaces(attempts: &mut Attempts<'_>, uid: &str) {
    let label = r#"[{"op": "remove", "path": "/metadata/labels/pod-security.kubernetes.io~1enforce"}]"#;
    attempts.denied(
        "json patch of labels",
        &["patch", "namespace", "oscar-guarded", "--type", "json", "-p", label],
        "",
    );
    let labelled = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "oscar-guarded",
        "labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
    let forced = ["apply", "--server-side", "--force-conflicts", "--field-manager=x", "-f", "-"];
    attempts.denied("server-side apply of labels", &forced, &labelled.to_string());
    let finalized = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "oscar-guarded"}, "spec": {"finalizers": []}});
    let raw = ["replace", "--raw", "/api/v1/namespaces/oscar-guarded/finalize", "-f", "-"];
    attempts.denied("finalize", &raw, &finalized.to_string());
    attempts.denied("deletion", &["delete", "namespace", "oscar-guarded-intake", "--wait=false"], "");
    let in_advance = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "oscar-later",
        "labels": {"host.oscar-project.com/tenant": "later"}, "ownerReferences": [
            {"apiVersion": "host.oscar-project.com/v1alpha1", "kind": "Tenant", "name": "guarded", "uid": uid}]}});
    attempts.denied("a namespace made in advance with a forged owner", &["create", "-f", "-"], &in_advance.to_string());
    attempts.denied(
        "a tenant's label on another namespace",
        &["label", "namespace", "gateway", "host.oscar-project.com/tenant=guarded"],
        "",
    );
}

fn objects(attempts: &mut Attempts<'_>) {
    let policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "wide", "namespace": "oscar-guarded"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}});
    attempts.denied("a wider firewall", &["create", "-f", "-"], &policy.to_string());
    attempts.denied("no firewall", &["-n", "oscar-guarded", "delete", "networkpolicy", "--all"], "");
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "own", "namespace": "oscar-guarded"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
        "subjects": [{"kind": "User", "name": "mallory", "apiGroup": "rbac.authorization.k8s.io"}]});
    attempts.denied("a role binding", &["create", "-f", "-"], &role.to_string());
    let permits = r#"{"data": {"FSEID-1.json": "{}"}}"#;
    attempts.denied(
        "a permit by hand",
        &["-n", "oscar-guarded", "patch", "configmap", "permits", "--type", "merge", "-p", permits],
        "",
    );
    let image = r#"{"spec": {"template": {"spec": {"containers": [{"name": "lake-api", "image": "localhost/oscar/gateway:e2e"}]}}}}"#;
    attempts.denied("a foreign image", &["-n", "oscar-guarded", "patch", "deployment", "lake-api", "-p", image], "");
}

fn pods(attempts: &mut Attempts<'_>) {
    let pod = |spec: serde_json::Value| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "guest", "namespace": "oscar-guarded-intake"}, "spec": spec}).to_string()
    };
    let guest = pod(json!({"containers": [{"name": "a", "image": "localhost/oscar/gateway:e2e"}]}));
    attempts.denied("a pod of one's own", &["create", "-f", "-"], &guest);
    let mounted = pod(
        json!({"containers": [{"name": "a", "image": "localhost/oscar/gateway:e2e", "volumeMounts": [{"name": "h", "mountPath": "/h"}]}],
        "volumes": [{"name": "h", "hostPath": {"path": "/"}}]}),
    );
    attempts.denied("a pod with the node's disk", &["create", "-f", "-"], &mounted);
    let running = attempts
        .cluster
        .kubectl(&["-n", "oscar-guarded", "get", "pods", "-l", "host.oscar-project.com/role=lake-api", "-o", "name"])
        .unwrap();
    let running = running.lines().next().unwrap().to_owned();
    attempts.denied("exec", &["-n", "oscar-guarded", "exec", &running, "--", "/lake-api", "--help"], "");
    attempts.denied("port-forward", &["-n", "oscar-guarded", "port-forward", &running, "0:9090"], "");
    let name = running.trim_start_matches("pod/");
    let guest =
        json!({"spec": {"ephemeralContainers": [{"name": "e", "image": "localhost/oscar/gateway:e2e"}]}}).to_string();
    let ephemeral = ["-n", "oscar-guarded", "patch", "pod", name, "--subresource=ephemeralcontainers", "-p", &guest];
    attempts.denied("an ephemeral container", &ephemeral, "");
}

fn findings(attempts: &mut Attempts<'_>) {
    let ready = r#"{"status": {"conditions": []}}"#;
    attempts.denied(
        "a status",
        &["patch", "tenant", "guarded", "--subresource=status", "--type", "merge", "-p", ready],
        "",
    );
    attempts.denied(
        "no finalizer",
        &["patch", "tenant", "guarded", "--type", "merge", "-p", r#"{"metadata": {"finalizers": null}}"#],
        "",
    );
    let settings = r#"{"data": {"imageDigests": "sha256:0"}}"#;
    attempts.denied(
        "another image allowed",
        &["-n", HOME, "patch", "configmap", "oscar-admission", "--type", "merge", "-p", settings],
        "",
    );
    attempts.denied("the operator's token", &["-n", HOME, "create", "token", "oscar-operator"], "");
}
