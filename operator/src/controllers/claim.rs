//! Which tenant a permit or an extract belongs to.
//!
//! It belongs to the Tenant that had its name when it was first seen: that Tenant's UID stands
//! in its owner reference, so that it goes with it, and in its status, which only the operator
//! writes. A reference can be lost (`kubectl delete --cascade=orphan` takes it off); what was
//! noted cannot, and so a later tenant of the same name inherits nothing.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};
use oscar_crds::Tenant;

/// Whose an object is, from the point of view of one Tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// This Tenant's.
    Own,
    /// Nobody's yet, or this Tenant's without the reference.
    Free,
    /// An earlier one's of the same name.
    Foreign,
}

/// Judges by the owner references, the UID that was `noted` and the Tenant's own.
#[must_use]
pub(crate) fn claim(owners: &[OwnerReference], noted: Option<&str>, uid: &str) -> Claim {
    let mut tenants = owners.iter().filter(|owner| owner.kind == "Tenant").map(|owner| owner.uid.as_str()).peekable();
    let is_owned = tenants.peek().is_some();
    if noted.is_some_and(|noted| noted != uid) || !tenants.all(|owner| owner == uid) {
        Claim::Foreign
    } else if is_owned {
        Claim::Own
    } else {
        Claim::Free
    }
}

/// What is to be noted: what was noted first, otherwise the present owner or claimant.
#[must_use]
pub(crate) fn first_tenant(
    noted: Option<String>,
    owners: &[OwnerReference],
    claimant: Option<&Tenant>,
) -> Option<String> {
    let owner = || owners.iter().find(|owner| owner.kind == "Tenant").map(|owner| owner.uid.clone());
    noted.or_else(owner).or_else(|| claimant?.uid())
}

/// The references with the Tenant's among them; others' stay.
#[must_use]
pub(crate) fn owners_with(owners: &[OwnerReference], tenant: &Tenant) -> Vec<OwnerReference> {
    let own = OwnerReference {
        api_version: Tenant::api_version(&()).into_owned(),
        kind: Tenant::kind(&()).into_owned(),
        name: tenant.name_any(),
        uid: tenant.uid().unwrap_or_default(),
        ..OwnerReference::default()
    };
    owners.iter().cloned().chain([own]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(kind: &str, uid: &str) -> OwnerReference {
        OwnerReference { kind: kind.to_owned(), uid: uid.to_owned(), ..OwnerReference::default() }
    }

    #[test]
    fn an_object_whose_owner_was_taken_off_is_not_a_later_tenants() {
        let others = owner("Decision", "d-1");
        let orphan = std::slice::from_ref(&others);
        assert_eq!(claim(orphan, None, "t-2"), Claim::Free);
        assert_eq!(claim(orphan, Some("t-1"), "t-2"), Claim::Foreign);
        assert_eq!(claim(orphan, Some("t-1"), "t-1"), Claim::Free);
        let owned = [others, owner("Tenant", "t-1")];
        assert_eq!(claim(&owned, Some("t-1"), "t-1"), Claim::Own);
        assert_eq!(claim(&owned, None, "t-2"), Claim::Foreign);
        // Whoever puts another reference in its place makes it nobody's.
        assert_eq!(claim(&[owner("Tenant", "t-2")], Some("t-1"), "t-2"), Claim::Foreign);
        assert_eq!(claim(&[owner("Tenant", "t-2"), owner("Tenant", "t-1")], None, "t-2"), Claim::Foreign);
    }

    #[test]
    fn the_first_tenant_is_noted_for_good() {
        let owned = [owner("Tenant", "t-2")];
        assert_eq!(first_tenant(Some("t-1".to_owned()), &owned, None).as_deref(), Some("t-1"));
        assert_eq!(first_tenant(None, &owned, None).as_deref(), Some("t-2"));
        assert_eq!(first_tenant(None, &[owner("Decision", "d-1")], None), None);
    }
}
