//! From a person key to a pseudonym that is worth nothing outside its permit.
//!
//! The embedded method is HMAC-SHA-256 under a key that is itself derived from the master
//! key and the permit's id, cut to 128 bits. Two permits therefore share no pseudonym, and
//! nobody who knows all person numbers can recompute one without the key.

use hmac::{Hmac, KeyInit, Mac};
use oscar_permit::PermitId;
use sha2::Sha256;

use oscar_lake::{KeyError, KeyProvider, KeyPurpose, Pseudonym, SecretKey};

/// Turns person keys in their normal form into pseudonyms of one permit.
///
/// Keys come in batches because another implementation may have to ask a trust centre.
pub trait Pseudonymiser: Send + Sync {
    /// One pseudonym for every key, in order. The same key always gives the same pseudonym.
    ///
    /// # Errors
    /// When pseudonyms cannot be made; then no row of the batch may be stored.
    fn pseudonyms(&self, keys: &[&[u8]]) -> Result<Vec<Pseudonym>, KeyError>;
}

/// The embedded method.
pub struct KeyedPseudonymiser {
    keyed: Hmac<Sha256>,
}

impl KeyedPseudonymiser {
    /// Derives the permit's key from the provider's master key.
    ///
    /// # Errors
    /// When the provider has no key.
    pub fn new(keys: &dyn KeyProvider, permit: &PermitId) -> Result<Self, KeyError> {
        let master = keys.key(KeyPurpose::Pseudonyms)?;
        let mut derivation = keyed(&master);
        derivation.update(b"oscar pseudonyms of permit\0");
        derivation.update(permit.as_str().as_bytes());
        let key = SecretKey::from_bytes(derivation.finalize().into_bytes().into());
        Ok(Self { keyed: keyed(&key) })
    }
}

impl Pseudonymiser for KeyedPseudonymiser {
    fn pseudonyms(&self, keys: &[&[u8]]) -> Result<Vec<Pseudonym>, KeyError> {
        Ok(keys.iter().map(|key| Pseudonym::from_bits(tag(&self.keyed, key))).collect())
    }
}

/// A keyed hash that is ready to be cloned for every message.
pub(crate) fn keyed(key: &SecretKey) -> Hmac<Sha256> {
    // HMAC pads a key that is shorter than a block with zeros, so this is the 256-bit key.
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    for (to, from) in block.iter_mut().zip(key.expose()) {
        *to = *from;
    }
    Hmac::new(&block)
}

/// The first 128 bits of the keyed hash of `message`.
pub(crate) fn tag(keyed: &Hmac<Sha256>, message: &[u8]) -> [u8; 16] {
    let mut mac = keyed.clone();
    mac.update(message);
    let digest: [u8; 32] = mac.finalize().into_bytes().into();
    let mut first = [0; 16];
    first.copy_from_slice(digest.first_chunk::<16>().unwrap_or(&[0; 16]));
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl KeyProvider for Fixed {
        fn key(&self, _: KeyPurpose) -> Result<SecretKey, KeyError> {
            Ok(SecretKey::from_bytes([7; 32]))
        }
    }

    fn of(permit: &str, key: &[u8]) -> Pseudonym {
        KeyedPseudonymiser::new(&Fixed, &permit.parse().unwrap()).unwrap().pseudonyms(&[key]).unwrap()[0]
    }

    #[test]
    fn two_permits_share_no_pseudonym_and_one_permit_always_gives_the_same() {
        assert_eq!(of("P-1", b"cpr\x000201609995"), of("P-1", b"cpr\x000201609995"));
        assert_ne!(of("P-1", b"cpr\x000201609995"), of("P-2", b"cpr\x000201609995"));
        assert_ne!(of("P-1", b"cpr\x000201609995"), of("P-1", b"cpr\x000201609996"));
    }

    #[test]
    fn a_pseudonym_has_no_digit() {
        let letters = of("P-1", b"x").letters();
        assert!(letters.iter().all(|letter| (b'a'..=b'p').contains(letter)));
    }

    #[test]
    fn the_keyed_hash_is_the_one_of_rfc_4231() {
        // RFC 4231, test case 2 has a 4-byte key; zero padding makes it this 32-byte one.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let tag = tag(&keyed(&SecretKey::from_bytes(key)), b"what do ya want for nothing?");
        assert_eq!(hex::encode(tag), "5bdcc146bf60754e6a042426089575c7");
    }
}
