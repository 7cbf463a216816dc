//! What somebody with all rights in the cluster, but who is not the operator, may not do.

use std::fmt::Write as _;

use oscar_e2e::cluster::{Cluster, HOME, tenant};
use serde_json::{Value, json};

use crate::cluster;
use crate::furnished::permit;

/// Whom a careless administrator has bound to cluster-admin.
const CLUSTER_ADMIN: &str = "mallory";
/// Who may do everything in the operator's namespace.
const NAMESPACE_ADMIN: &str = "trudy";

/// What Kubernetes itself says of pods that ask for too much.
const POD_SECURITY: &str = "violates PodSecurity";

struct Attempts<'c> {
    cluster: &'c Cluster,
    who: &'static str,
    not_denied: String,
    /// The policies of which each must have an entry in the API server's audit log.
    recorded: Vec<String>,
    /// Entries of the audit log before the first attempt.
    log: usize,
}

impl<'c> Attempts<'c> {
    fn of(cluster: &'c Cluster, who: &'static str) -> Self {
        let log = if cluster.is_own() { cluster.audit_log().unwrap().len() } else { 0 };
        Self { cluster, who, not_denied: String::new(), recorded: Vec::new(), log }
    }

    /// Denied by a policy whose name begins with `oscar-{by}` (of several that deny, any may speak),
    /// or by Kubernetes' own `PodSecurity`: an attempt that fails for any other reason proves nothing.
    fn denied(&mut self, what: &str, by: &str, arguments: &[&str], input: &str) {
        let who = [&format!("--as={}", self.who), "--as-group=system:authenticated"];
        let output = self.cluster.kubectl_with(&[&who[..], arguments].concat(), input).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let lock = if by == POD_SECURITY { by.to_owned() } else { format!("ValidatingAdmissionPolicy 'oscar-{by}") };
        if output.status.success() || !said.contains(&lock) {
            writeln!(self.not_denied, "{what}: {}{said}", String::from_utf8_lossy(&output.stdout)).unwrap();
        }
        if by != POD_SECURITY {
            self.recorded.push(format!("oscar-{by}"));
        }
    }

    /// Every attempt was denied as it should be, and the API server has recorded by which policy.
    fn were_in_vain(&self) {
        assert!(self.not_denied.is_empty(), "not denied as they should be:\n{}", self.not_denied);
        if !self.cluster.is_own() {
            return println!("SKIPPED: the audit log of a given cluster is not read");
        }
        let entries = self.cluster.until("the audit log's entries", || {
            let log = self.cluster.audit_log()?;
            let of_us = |entry: &&Value| entry["impersonatedUser"]["username"] == self.who;
            let failures = |entry: &Value| {
                let failures = entry["annotations"]["validation.policy.admission.k8s.io/validation_failure"].as_str();
                failures.map(str::to_owned)
            };
            let entries: Vec<String> = log.iter().skip(self.log).filter(of_us).filter_map(failures).collect();
            Ok((entries.len() >= self.recorded.len()).then_some(entries))
        });
        let entries = entries.unwrap();
        for policy in &self.recorded {
            let wanted = format!("\"policy\":\"{policy}");
            let attempts = self.recorded.iter().filter(|other| *other == policy).count();
            let found = entries.iter().filter(|entry| entry.contains(&wanted)).count();
            assert!(found >= attempts, "{policy}: {attempts} attempts, {found} entries in the audit log");
        }
        println!("{}: {} attempts denied, each in the API server's audit log", self.who, self.recorded.len());
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
    let may = ["auth", "can-i", "*", "*", "--all-namespaces", "--as", CLUSTER_ADMIN];
    assert_eq!(cluster.kubectl(&may).unwrap().trim(), "yes", "RBAC alone must not be what denies");
    cluster.apply(&tenant("guarded", &cluster.issuer())).unwrap();
    cluster.wait_for(&["tenant", "guarded"], "Ready", "True").unwrap();
    let uid = cluster.get(&["tenant", "guarded"]).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
    let mut attempts = Attempts::of(cluster, CLUSTER_ADMIN);
    namespaces(&mut attempts, &uid);
    objects(&mut attempts);
    pods(&mut attempts);
    findings(&mut attempts);
    slips(&mut attempts);
    attempts.were_in_vain();
    cluster.wait_for(&["tenant", "guarded"], "Ready", "True").unwrap();
    cluster.kubectl(&["delete", "tenant", "guarded", "--timeout=150s"]).unwrap();
    cluster.kubectl(&["delete", "clusterrolebinding", "careless"]).unwrap();
}

#[test]
fn whoever_has_every_right_in_the_operators_namespace_widens_no_permit_and_opens_no_tenant() {
    let Some(turn) = cluster() else { return };
    let cluster: &Cluster = &turn;
    let rights = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "careless", "namespace": HOME},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
    cluster.apply(&rights).unwrap();
    cluster
        .apply(&json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "careless", "namespace": HOME},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "careless"},
            "subjects": [{"kind": "User", "name": NAMESPACE_ADMIN, "apiGroup": "rbac.authorization.k8s.io"}]}))
        .unwrap();
    let may = ["auth", "can-i", "*", "*", "-n", HOME, "--as", NAMESPACE_ADMIN];
    assert_eq!(cluster.kubectl(&may).unwrap().trim(), "yes", "RBAC alone must not be what denies");
    cluster.apply(&tenant("homely", &cluster.issuer())).unwrap();
    cluster.apply(&permit("homely", &cluster.issuer())).unwrap();
    let object = ["-n", HOME, "datapermit", "fseid-homely"];
    cluster.wait_for(&object, "Ready", "True").unwrap();
    let mut attempts = Attempts::of(cluster, NAMESPACE_ADMIN);
    let patch = ["-n", HOME, "patch", "datapermit", "fseid-homely"];
    let one_more = json!([{"op": "add", "path": "/spec/persons/-", "value":
        {"issuer": cluster.issuer(), "subject": NAMESPACE_ADMIN, "role": "analyst"}}])
    .to_string();
    let mut widened = |what: &str, kind: &str, change: &str| {
        attempts.denied(what, "data-permits", &[&patch[..], &["--type", kind, "-p", change]].concat(), "");
    };
    widened("one person more", "json", &one_more);
    widened("a longer time", "merge", r#"{"spec": {"validUntil": "2100-01-01T00:00:00Z"}}"#);
    widened(
        "another table",
        "json",
        r#"[{"op": "add", "path": "/spec/datasets/0/tables/-", "value": {"table": "birth"}}]"#,
    );
    widened("a milder profile", "merge", r#"{"spec": {"profile": "mild"}}"#);
    let status = r#"{"status": {"phase": "InForce"}}"#;
    let as_status = [&patch[..], &["--subresource=status", "--type", "merge", "-p", status]].concat();
    attempts.denied("a status", "findings", &as_status, "");
    let settings = r#"{"data": {"imageDigests": "sha256:0"}}"#;
    let another = ["-n", HOME, "patch", "configmap", "oscar-admission", "--type", "merge", "-p", settings];
    attempts.denied("another image allowed", "admission-settings", &another, "");
    attempts.denied(
        "the operator's token",
        "operator-identity",
        &["-n", HOME, "create", "token", "oscar-operator"],
        "",
    );
    attempts.were_in_vain();
    let phase = cluster.get(&object).unwrap();
    assert_eq!(phase["spec"]["persons"].as_array().unwrap().len(), 4, "{phase}");
    for left in ["rolebinding/careless", "role/careless", "datapermit/fseid-homely"] {
        cluster.kubectl(&["-n", HOME, "delete", left, "--timeout=60s"]).unwrap();
    }
    cluster.kubectl(&["delete", "tenant", "homely", "--timeout=150s"]).unwrap();
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

/// What nobody means to do.
fn slips(attempts: &mut Attempts<'_>) {
    let mut slip = |what: &str, arguments: &[&str]| attempts.denied(what, "deletion-protection", arguments, "");
    slip("the operator's namespace", &["delete", "namespace", HOME, "--wait=false"]);
    slip("the definition of tenants", &["delete", "crd", "tenants.host.oscar-project.com", "--wait=false"]);
    slip("all master keys", &["-n", HOME, "delete", "secrets", "-l", "host.oscar-project.com/tenant=guarded"]);
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
