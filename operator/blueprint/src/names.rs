//! Names and labels: the whole vocabulary of what lies in a tenant's namespaces.

use std::collections::BTreeMap;

use oscar_permit::TenantName;

/// Label: the tenant that an object belongs to.
pub const TENANT_LABEL: &str = "host.oscar-project.com/tenant";
/// Label: which of a tenant's two namespaces; its values are those of [`Zone::as_str`].
pub const ZONE_LABEL: &str = "host.oscar-project.com/zone";
/// Label: what a pod is to the firewall; its values are those of [`Role::as_str`].
pub const ROLE_LABEL: &str = "host.oscar-project.com/role";
/// Label of a Job that belongs to an `Extract`.
pub const EXTRACT_LABEL: &str = "host.oscar-project.com/extract";
/// Annotation: digest of what a probe measured.
pub const PROBE_PLAN_ANNOTATION: &str = "host.oscar-project.com/probe-plan";
/// Annotation on pods: digest of the mounted permits. Changing it makes the kubelet
/// refresh the pod's volumes at once instead of at its next round, up to 90 s later.
pub const MOUNTED_ANNOTATION: &str = "host.oscar-project.com/mounted";
/// Annotations on a namespace that open its pods in an emergency: by whom, why, until when.
pub const BREAK_GLASS: [&str; 3] = [
    "host.oscar-project.com/break-glass-by",
    "host.oscar-project.com/break-glass-why",
    "host.oscar-project.com/break-glass-until",
];
/// The manager that every object names.
pub const MANAGED_BY: &str = "oscar-operator";

/// The lake-api's port for the gateway.
pub const API_PORT: u16 = 8443;
/// The lake-api's port for health, readiness and metrics.
pub const ADMIN_PORT: u16 = 9090;
/// The name of the lake-api's Deployment, Service and service account.
pub const LAKE_API: &str = "lake-api";
/// The name of the probes' `CronJob` and plan.
pub const PROBE: &str = "isolation-probe";
/// The policy that lets the gateway in; there only while the firewall is measured to hold.
pub const GATEWAY_POLICY: &str = "allow-gateway-to-lake-api";

/// The two namespaces of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Zone {
    /// Where the lake-api serves.
    Workspace,
    /// Where raw extracts are checked and pseudonymised.
    Intake,
}

impl Zone {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Workspace, Self::Intake];

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::Intake => "intake",
        }
    }

    /// The namespace of a tenant. [`oscar_crds::RESERVED_TENANT_NAMES`] keeps two tenants
    /// from ever having the same one.
    #[must_use]
    pub fn namespace(self, tenant: &TenantName) -> String {
        match self {
            Self::Workspace => format!("oscar-{tenant}"),
            Self::Intake => format!("oscar-{tenant}-intake"),
        }
    }
}

/// What a pod is to the firewall. Policies select by it, so a probe that carries a role is
/// measured under exactly the policies of that role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// May be reached by the gateway.
    LakeApi,
    /// May reach the object store with the workspace's identity, and be reached by nobody.
    WorkspaceProbe,
    /// May reach the object store with the intake's identity, and be reached by nobody.
    Intake,
}

impl Role {
    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LakeApi => "lake-api",
            Self::WorkspaceProbe => "workspace-probe",
            Self::Intake => "intake",
        }
    }
}

/// The labels of every object of a tenant's zone.
#[must_use]
pub fn labels(tenant: &TenantName, zone: Zone) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("app.kubernetes.io/managed-by".to_owned(), MANAGED_BY.to_owned()),
        ("app.kubernetes.io/part-of".to_owned(), "oscar-host".to_owned()),
        (TENANT_LABEL.to_owned(), tenant.to_string()),
        (ZONE_LABEL.to_owned(), zone.as_str().to_owned()),
    ])
}

/// The labels of a pod.
#[must_use]
pub fn pod_labels(tenant: &TenantName, zone: Zone, role: Role) -> BTreeMap<String, String> {
    let mut labels = labels(tenant, zone);
    labels.insert("app.kubernetes.io/name".to_owned(), role.as_str().to_owned());
    labels.insert(ROLE_LABEL.to_owned(), role.as_str().to_owned());
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_namespaces_of_the_longest_name_are_dns_labels() {
        let tenant = TenantName::new("a".repeat(40)).unwrap();
        for zone in Zone::ALL {
            assert!(zone.namespace(&tenant).len() <= 63);
        }
    }
}
