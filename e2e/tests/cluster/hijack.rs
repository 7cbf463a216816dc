//! What somebody with all rights in the cluster, but who is not the operator, may not do.

use std::fmt::Write as _;

use oscar_e2e::cluster::{Cluster, HOME, tenant};
use serde_json::json;

use crate::cluster;

/// Every attempt as mallory, whom a careless administrator has bound to cluster-admin.
const CAREFREE: [&str; 2] = ["--as=mallory", "--as-group=system:authenticated"];

/// What Kubernetes itself says of pods that ask for too much.
const POD_SECURITY: &str = "violates PodSecurity";

struct Attempts<'c> {
    cluster: &'c Cluster,
    not_denied: String,
}

impl Attempts<'_> {
    /// Denied by a policy whose name begins with `oscar-{by}` (of several that deny, any may speak),
    /// or by Kubernetes' own `PodSecurity`: an attempt that fails for any other reason proves nothing.
    fn denied(&mut self, what: &str, by: &str, arguments: &[&str], input: &str) {
        let output = self.cluster.kubectl_with(&[&CAREFREE[..], arguments].concat(), input).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let lock = if by == POD_SECURITY { by.to_owned() } else { format!("ValidatingAdmissionPolicy 'oscar-{by}") };
        if output.status.success() || !said.contains(&lock) {
            writeln!(self.not_denied, "{what}: {}{said}", String::from_utf8_lossy(&output.stdout)).unwrap();
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
    let may = cluster.kubectl(&[&["auth", "can-i", "*", "*", "--all-namespaces"][..], &CAREFREE].concat()).unwrap();
    assert_eq!(may.trim(), "yes", "RBAC alone must not be what denies");
    cluster.apply(&tenant("guarded", &cluster.issuer())).unwrap();
    cluster.wait_for(&["tenant", "guarded"], "Ready", "True").unwrap();
    let uid = cluster.get(&["tenant", "guarded"]).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
    let mut attempts = Attempts { cluster, not_denied: String::new() };
    namespaces(&mut attempts, &uid);
    objects(&mut attempts);
    pods(&mut attempts);
    findings(&mut attempts);
    assert!(attempts.not_denied.is_empty(), "not denied as they should be:\n{}", attempts.not_denied);
    cluster.wait_for(&["tenant", "guarded"], "Ready", "True").unwrap();
    cluster.kubectl(&["delete", "tenant", "guarded", "--timeout=150s"]).unwrap();
    cluster.kubectl(&["delete", "clusterrolebinding", "careless"]).unwrap();
}

fn namespaces(attempts: &mut Attempts<'_>, uid: &str) {
    let label = r#"[{"op": "remove", "path": "/metadata/labels/pod-security.kubernetes.io~1enforce"}]"#;
    attempts.denied(
        "json patch of labels",
        "tenant-namespaces",
        &["patch", "namespace", "oscar-guarded", "--type", "json", "-p", label],
        "",
    );
    let labelled = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "oscar-guarded",
        "labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
    let forced = ["apply", "--server-side", "--force-conflicts", "--field-manager=x", "-f", "-"];
    attempts.denied("server-side apply of labels", "tenant-namespaces", &forced, &labelled.to_string());
    let finalized = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "oscar-guarded"}, "spec": {"finalizers": []}});
    let raw = ["replace", "--raw", "/api/v1/namespaces/oscar-guarded/finalize", "-f", "-"];
    attempts.denied("finalize", "tenant-namespaces", &raw, &finalized.to_string());
    attempts.denied(
        "deletion",
        "tenant-namespaces",
        &["delete", "namespace", "oscar-guarded-intake", "--wait=false"],
        "",
    );
    let in_advance = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "oscar-later",
        "labels": {"host.oscar-project.com/tenant": "later"}, "ownerReferences": [
            {"apiVersion": "host.oscar-project.com/v1alpha1", "kind": "Tenant", "name": "guarded", "uid": uid}]}});
    attempts.denied(
        "a namespace made in advance with a forged owner",
        "tenant-namespaces",
        &["create", "-f", "-"],
        &in_advance.to_string(),
    );
    attempts.denied(
        "a tenant's label on another namespace",
        "tenant-namespaces",
        &["label", "namespace", "gateway", "host.oscar-project.com/tenant=guarded"],
        "",
    );
}

fn objects(attempts: &mut Attempts<'_>) {
    let policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "wide", "namespace": "oscar-guarded"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}});
    attempts.denied("a wider firewall", "tenant-objects", &["create", "-f", "-"], &policy.to_string());
    attempts.denied("no firewall", "tenant-objects", &["-n", "oscar-guarded", "delete", "networkpolicy", "--all"], "");
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "own", "namespace": "oscar-guarded"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
        "subjects": [{"kind": "User", "name": "mallory", "apiGroup": "rbac.authorization.k8s.io"}]});
    attempts.denied("a role binding", "tenant-objects", &["create", "-f", "-"], &role.to_string());
    let permits = r#"{"data": {"FSEID-1.json": "{}"}}"#;
    attempts.denied(
        "a permit by hand",
        "tenant-objects",
        &["-n", "oscar-guarded", "patch", "configmap", "permits", "--type", "merge", "-p", permits],
        "",
    );
    let image = r#"{"spec": {"template": {"spec": {"containers": [{"name": "lake-api", "image": "localhost/oscar/gateway:e2e"}]}}}}"#;
    attempts.denied(
        "a foreign image",
        "tenant-objects",
        &["-n", "oscar-guarded", "patch", "deployment", "lake-api", "-p", image],
        "",
    );
}

fn pods(attempts: &mut Attempts<'_>) {
    let pod = |spec: serde_json::Value| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "guest", "namespace": "oscar-guarded-intake"}, "spec": spec}).to_string()
    };
    // As Kubernetes' own rules want it, so that only ours are in the way.
    let modest = json!({"allowPrivilegeEscalation": false, "runAsNonRoot": true, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"}});
    let guest =
        pod(json!({"containers": [{"name": "a", "image": "localhost/oscar/gateway:e2e", "securityContext": modest}]}));
    attempts.denied("a pod of one's own", "tenant-", &["create", "-f", "-"], &guest);
    let mounted = pod(
        json!({"containers": [{"name": "a", "image": "localhost/oscar/gateway:e2e", "volumeMounts": [{"name": "h", "mountPath": "/h"}]}],
        "volumes": [{"name": "h", "hostPath": {"path": "/"}}]}),
    );
    attempts.denied("a pod with the node's disk", POD_SECURITY, &["create", "-f", "-"], &mounted);
    let running = attempts
        .cluster
        .kubectl(&["-n", "oscar-guarded", "get", "pods", "-l", "host.oscar-project.com/role=lake-api", "-o", "name"])
        .unwrap();
    let running = running.lines().next().unwrap().to_owned();
    attempts.denied(
        "exec",
        "tenant-doors",
        &["-n", "oscar-guarded", "exec", &running, "--", "/lake-api", "--help"],
        "",
    );
    attempts.denied("port-forward", "tenant-doors", &["-n", "oscar-guarded", "port-forward", &running, "0:9090"], "");
    let name = running.trim_start_matches("pod/");
    let guest =
        json!({"spec": {"ephemeralContainers": [{"name": "e", "image": "localhost/oscar/gateway:e2e", "securityContext": modest}]}}).to_string();
    let ephemeral = ["-n", "oscar-guarded", "patch", "pod", name, "--subresource=ephemeralcontainers", "-p", &guest];
    attempts.denied("an ephemeral container", "tenant-", &ephemeral, "");
}

fn findings(attempts: &mut Attempts<'_>) {
    let ready = r#"{"status": {"conditions": []}}"#;
    attempts.denied(
        "a status",
        "findings",
        &["patch", "tenant", "guarded", "--subresource=status", "--type", "merge", "-p", ready],
        "",
    );
    attempts.denied(
        "no finalizer",
        "findings",
        &["patch", "tenant", "guarded", "--type", "merge", "-p", r#"{"metadata": {"finalizers": null}}"#],
        "",
    );
    let settings = r#"{"data": {"imageDigests": "sha256:0"}}"#;
    attempts.denied(
        "another image allowed",
        "admission-settings",
        &["-n", HOME, "patch", "configmap", "oscar-admission", "--type", "merge", "-p", settings],
        "",
    );
    attempts.denied(
        "the operator's token",
        "operator-identity",
        &["-n", HOME, "create", "token", "oscar-operator"],
        "",
    );
}
