//! Sealing objects that hold more than may leave: person sets, and results before their
//! release. Zstandard, then AES-256-GCM with a random nonce; the object's purpose and
//! owner are authenticated with it, so a sealed object cannot be moved to another place.
//!
//! Layout: one version byte, 12 bytes nonce, cipher text with tag.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};

const VERSION: u8 = 1;
/// No sealed object unpacks to more: a person set of 6 million is below 100 MB.
const MAX_UNPACKED: usize = 1 << 30;

/// Why something cannot be sealed or opened. Says nothing about the content.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key was refused.
    #[error("the sealing key cannot be used")]
    Key,
    /// Packing or sealing failed.
    #[error("the object could not be sealed")]
    Seal,
    /// Another key, another place, or changed bytes.
    #[error("a sealed object was changed, moved or sealed with another key")]
    Open,
}

/// The key that seals.
#[derive(Debug)]
pub(crate) struct SealKey(RandomizedNonceKey);

impl SealKey {
    /// Takes 32 secret bytes.
    ///
    /// # Errors
    /// [`SealError::Key`].
    pub(crate) fn new(bytes: &[u8; 32]) -> Result<Self, SealError> {
        RandomizedNonceKey::new(&AES_256_GCM, bytes).map(Self).map_err(|_| SealError::Key)
    }

    /// Seals `plain` for `place`.
    ///
    /// # Errors
    /// [`SealError::Seal`].
    pub(crate) fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut packed = zstd::bulk::compress(plain, 3).map_err(|_| SealError::Seal)?;
        let nonce =
            self.0.seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut packed).map_err(|_| SealError::Seal)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + packed.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut packed);
        Ok(sealed)
    }

    /// Opens what [`SealKey::seal`] sealed for the same `place`.
    ///
    /// # Errors
    /// [`SealError::Open`].
    pub(crate) fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (version, rest) = sealed.split_first().ok_or(SealError::Open)?;
        let (nonce, cipher) = rest.split_at_checked(NONCE_LEN).ok_or(SealError::Open)?;
        if *version != VERSION {
            return Err(SealError::Open);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Open)?;
        let mut cipher = cipher.to_vec();
        let packed =
            self.0.open_in_place(nonce, Aad::from(place.as_bytes()), &mut cipher).map_err(|_| SealError::Open)?;
        let mut plain = Vec::new();
        let mut reader =
            std::io::Read::take(zstd::Decoder::new(&*packed).map_err(|_| SealError::Open)?, MAX_UNPACKED as u64 + 1);
        std::io::Read::read_to_end(&mut reader, &mut plain).map_err(|_| SealError::Open)?;
        if plain.len() > MAX_UNPACKED { Err(SealError::Open) } else { Ok(plain) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SealKey {
        SealKey::new(&[byte; 32]).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_only() {
        let sealed = key(1).seal("ledger", b"persons").unwrap();
        assert_eq!(key(1).open("ledger", &sealed).unwrap(), b"persons");
        assert!(key(1).open("release", &sealed).is_err());
        assert!(key(2).open("ledger", &sealed).is_err());
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let sealed = key(1).seal("ledger", b"persons").unwrap();
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(key(1).open("ledger", &changed).is_err(), "byte {place}");
        }
        for length in 0..sealed.len() {
            assert!(key(1).open("ledger", &sealed[..length]).is_err());
        }
    }

    #[test]
    fn the_content_cannot_be_seen_in_the_sealed_bytes() {
        let sealed = key(1).seal("ledger", b"0101501234").unwrap();
        assert!(!sealed.windows(10).any(|window| window == b"0101501234"));
    }
}
