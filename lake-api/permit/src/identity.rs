//! Who asks, and in which role.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A person or program as its identity provider names it. Two issuers may use the same
/// subject for different people, so both parts count (OpenID Connect Core 1.0, section 2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The issuer's identifier (`iss`), compared byte for byte.
    pub issuer: String,
    /// The subject (`sub`) at that issuer, compared byte for byte.
    pub subject: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.issuer, self.subject)
    }
}

/// What a person may do under a permit. A role comes from the permit alone, never from
/// a token's claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Writes queries and asks for releases.
    Analyst,
    /// Checks outputs on the tenant's or platform's side.
    Steward,
    /// Checks outputs on behalf of the data controller; at least one of a release's two reviewers.
    ControllerSteward,
    /// Reads everything that is recorded, changes nothing.
    Auditor,
}

impl Role {
    /// Whether the role may vote on releases.
    #[must_use]
    pub const fn reviews(self) -> bool {
        match self {
            Self::Steward | Self::ControllerSteward => true,
            Self::Analyst | Self::Auditor => false,
        }
    }

    /// Whether the role may submit releases and check queries.
    #[must_use]
    pub const fn queries(self) -> bool {
        match self {
            Self::Analyst => true,
            Self::Steward | Self::ControllerSteward | Self::Auditor => false,
        }
    }

    /// Whether the role may read the audit trail.
    #[must_use]
    pub const fn audits(self) -> bool {
        match self {
            Self::Auditor => true,
            Self::Analyst | Self::Steward | Self::ControllerSteward => false,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Analyst => "analyst",
            Self::Steward => "steward",
            Self::ControllerSteward => "controller-steward",
            Self::Auditor => "auditor",
        })
    }
}
