//! One record: entries under a number, chained to the record before and signed.

use chrono::{DateTime, Utc};
use oscar_permit::{Identity, Role, Sha256Digest, canonical_json};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Event;
use crate::key::{JournalKey, VerifyingKey, is_signed};

/// Prefixed to the signed bytes, so that a signature of one thing is never one of another.
const DOMAIN: &[u8] = b"oscar-journal-record-v1\0";

/// Who caused an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Actor {
    /// A person, in the role that the permit gave at that moment.
    Person {
        /// Who.
        identity: Identity,
        /// In which role.
        role: Role,
    },
    /// A part of the platform, for example `release-service` or `intake`.
    Service {
        /// Its name.
        name: String,
    },
    /// Nobody that could be told: a request without a valid token.
    Anonymous {},
}

impl Actor {
    /// A person in a role.
    #[must_use]
    pub const fn person(identity: Identity, role: Role) -> Self {
        Self::Person { identity, role }
    }

    /// A part of the platform.
    #[must_use]
    pub fn service(name: &str) -> Self {
        Self::Service { name: name.to_owned() }
    }

    /// The person, when it is one.
    #[must_use]
    pub const fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Person { identity, .. } => Some(identity),
            Self::Service { .. } | Self::Anonymous {} => None,
        }
    }
}

/// One event with its cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Who caused it.
    pub actor: Actor,
    /// What happened.
    pub event: Event,
}

/// One object of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its number; the first record is 1.
    pub sequence: u64,
    /// SHA-256 of the bytes of the record before; 32 zero bytes in the first.
    pub previous: Sha256Digest,
    /// When it was written; never before the time of the record before.
    pub time: DateTime<Utc>,
    /// Random: tells a writer its own record from another's with the same content.
    pub nonce: Uuid,
    /// What happened, in order; never empty.
    pub entries: Vec<Entry>,
    /// Ed25519 over the canonical bytes without this field, hexadecimal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signature: String,
}

/// The end of the journal as somebody knew it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Number of the last record; 0 before the first.
    pub sequence: u64,
    /// SHA-256 of its bytes; 32 zero bytes before the first.
    pub digest: Sha256Digest,
    /// Its time; the epoch before the first.
    pub time: DateTime<Utc>,
}

impl Head {
    /// The head of an empty journal.
    pub const EMPTY: Self =
        Self { sequence: 0, digest: Sha256Digest::from_bytes([0; 32]), time: DateTime::<Utc>::UNIX_EPOCH };
}

/// Where an appended event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The record's number.
    pub sequence: u64,
    /// The entry's place in it, from 0.
    pub index: usize,
    /// The record's time.
    pub time: DateTime<Utc>,
    /// SHA-256 of the record's bytes.
    pub digest: Sha256Digest,
}

/// What is wrong with one object that should be a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Empty, torn, not JSON, an unknown event, or not in canonical form.
    Form,
    /// Written under another number than its own.
    Number,
    /// The signature is not the key's.
    Signature,
    /// It does not follow the record before.
    Chain,
    /// Its time is before the one of the record before.
    Time,
}

impl Record {
    /// Signs and encodes; the record gets its signature.
    pub(crate) fn seal(&mut self, key: &JournalKey) -> Option<Vec<u8>> {
        self.signature.clear();
        self.signature = key.sign(DOMAIN, &canonical_json(self).ok()?);
        let bytes = canonical_json(self).ok()?;
        // What could not be read again must not be written: a number beyond 2^53, say.
        (serde_json::from_slice::<Self>(&bytes).ok()? == *self).then_some(bytes)
    }

    /// Reads an object found under `sequence` and checks form, number and signature.
    pub(crate) fn open(bytes: &[u8], sequence: u64, key: &VerifyingKey) -> Result<Self, Flaw> {
        let record: Self = serde_json::from_slice(bytes).map_err(|_| Flaw::Form)?;
        if record.entries.is_empty() || canonical_json(&record).map_err(|_| Flaw::Form)? != bytes {
            return Err(Flaw::Form);
        }
        if record.sequence != sequence {
            return Err(Flaw::Number);
        }
        let mut unsigned = record.clone();
        unsigned.signature.clear();
        let signed = canonical_json(&unsigned).map_err(|_| Flaw::Form)?;
        if is_signed(key, DOMAIN, &signed, &record.signature) { Ok(record) } else { Err(Flaw::Signature) }
    }

    /// Whether the record may follow `head`.
    pub(crate) fn follows(&self, head: &Head) -> Result<(), Flaw> {
        if self.previous != head.digest {
            Err(Flaw::Chain)
        } else if self.time < head.time {
            Err(Flaw::Time)
        } else {
            Ok(())
        }
    }
}
