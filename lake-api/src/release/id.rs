//! Release ids.
//!
//! Without an idempotency key the id is a time-ordered UUID. With one it is derived from
//! requester and key, so the journal itself makes a repeated request a repeated answer:
//! there is no second place that could forget the key.

use oscar_permit::{IdError, Identity, ReleaseId, Sha256Digest, canonical_json};
use uuid::Uuid;

/// A new id, or the id that `requester` gets for `key`.
pub(crate) fn release_id(requester: &Identity, key: Option<&str>) -> Result<ReleaseId, IdError> {
    match key {
        None => ReleaseId::new(format!("rel-{}", Uuid::now_v7())),
        Some(key) => {
            let named = ("oscar-release-id-v1", requester, key);
            // Identity and text always have a canonical form.
            let digest = Sha256Digest::of(canonical_json(&named).unwrap_or_default());
            let mut bytes = [0; 16];
            bytes.copy_from_slice(digest.as_bytes().split_at(16).0);
            ReleaseId::new(format!("rel-{}", uuid::Builder::from_custom_bytes(bytes).into_uuid()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(subject: &str) -> Identity {
        Identity { issuer: "https://issuer.test".into(), subject: subject.into() }
    }

    #[test]
    fn the_same_key_of_the_same_person_is_the_same_release() {
        let id = |subject, key| release_id(&who(subject), Some(key)).unwrap();
        assert_eq!(id("a", "one"), id("a", "one"));
        assert_ne!(id("a", "one"), id("a", "two"));
        assert_ne!(id("a", "one"), id("b", "one"), "nobody can name another person's release");
    }

    #[test]
    fn without_a_key_every_release_is_new() {
        assert_ne!(release_id(&who("a"), None).unwrap(), release_id(&who("a"), None).unwrap());
    }
}
