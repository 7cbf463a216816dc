//! Who is to be reconciled, from whatever happened.

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};

/// Sends names of tenants, permits and extracts to their controllers.
#[derive(Debug, Clone)]
pub struct Trigger {
    tenants: UnboundedSender<String>,
    permits: UnboundedSender<String>,
    extracts: UnboundedSender<String>,
}

/// The other ends.
#[derive(Debug)]
pub struct Triggered {
    /// Names of tenants.
    pub tenants: UnboundedReceiver<String>,
    /// Names of permits' objects.
    pub permits: UnboundedReceiver<String>,
    /// Names of extracts.
    pub extracts: UnboundedReceiver<String>,
}

/// A new pair.
#[must_use]
pub fn trigger() -> (Trigger, Triggered) {
    let (tenants, tenant_names) = unbounded();
    let (permits, permit_names) = unbounded();
    let (extracts, extract_names) = unbounded();
    let triggered = Triggered { tenants: tenant_names, permits: permit_names, extracts: extract_names };
    (Trigger { tenants, permits, extracts }, triggered)
}

impl Trigger {
    /// A tenant is to be looked at.
    pub fn tenant(&self, name: &str) {
        // The receiver is gone only when the operator stops.
        let _ = self.tenants.unbounded_send(name.to_owned());
    }

    /// A permit is to be looked at.
    pub fn permit(&self, name: &str) {
        let _ = self.permits.unbounded_send(name.to_owned());
    }

    /// An extract is to be looked at.
    pub fn extract(&self, name: &str) {
        let _ = self.extracts.unbounded_send(name.to_owned());
    }

    /// Something in a namespace (or the namespace itself) is not as it was.
    pub fn place(&self, namespace: &str, name: &str) {
        let namespace = if namespace.is_empty() { name } else { namespace };
        if let Some(tenant) = tenant_of_namespace(namespace) {
            self.tenant(tenant);
        }
        // Schedules are named `extract-<name>` and runs `extract-<name>-<attempt>`; a dash in
        // the name leaves several readings, and a reconcile too many does no harm.
        if let Some(rest) = name.strip_prefix("extract-") {
            self.extract(rest);
            for (at, _) in rest.match_indices('-') {
                if let Some(extract) = rest.get(..at) {
                    self.extract(extract);
                }
            }
        }
    }
}

/// The tenant whose namespace is called so. The reserved names of tenants make this unique.
#[must_use]
pub fn tenant_of_namespace(namespace: &str) -> Option<&str> {
    let rest = namespace.strip_prefix("oscar-")?;
    let tenant = rest.strip_suffix("-intake").unwrap_or(rest);
    (!tenant.is_empty() && tenant != "host").then_some(tenant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_namespaces_belong_to_their_tenant_and_the_operators_own_to_nobody() {
        assert_eq!(tenant_of_namespace("oscar-acme"), Some("acme"));
        assert_eq!(tenant_of_namespace("oscar-acme-intake"), Some("acme"));
        for other in ["oscar-host", "oscar-", "kube-system", "acme", "oscar"] {
            assert_eq!(tenant_of_namespace(other), None, "{other}");
        }
    }

    #[test]
    fn a_run_and_a_schedule_trigger_their_extract() {
        let (trigger, mut triggered) = trigger();
        for object in ["extract-contacts-2026-11-1a2b", "extract-contacts-2026-11"] {
            trigger.place("oscar-acme-intake", object);
            let mut names = Vec::new();
            while let Ok(name) = triggered.extracts.try_recv() {
                names.push(name);
            }
            assert!(names.contains(&"contacts-2026-11".to_owned()), "{object}: {names:?}");
        }
        assert_eq!(triggered.tenants.try_recv().ok(), Some("acme".to_owned()));
    }
}
