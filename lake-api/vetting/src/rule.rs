//! Rule identifiers and findings.
//!
//! A finding names a rule, how serious it is and where it applies, never a value: no
//! count, no key of a hidden cell. Its remedy is the same text for every case of the
//! rule, so that a refusal says nothing about the data beyond the refusal itself.

use serde::{Deserialize, Serialize};

/// The rules, by the identifiers that receipts and refusals use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RuleId {
    /// Threshold: 0 < persons < T.
    R1,
    /// Support of an aggregate, and its complement in the cell.
    R2,
    /// Dominance (n, k).
    R3,
    /// p percent.
    R4,
    /// Class disclosure.
    R5,
    /// Group-only output.
    R6,
    /// Differencing.
    R7,
    /// Degrees of freedom.
    R8,
    /// Indicator vectors.
    R9,
    /// Second units.
    R10,
    /// Rows without a person reach the cell.
    #[serde(rename = "UNATTRIBUTED")]
    Unattributed,
    /// A hidden cell in a table with margins.
    #[serde(rename = "COMPLEMENT")]
    Complement,
    /// Too large a share of the table is hidden.
    #[serde(rename = "SPARSE")]
    Sparse,
    /// Too many cells.
    #[serde(rename = "CELLS")]
    Cells,
    /// Free text reaches the output.
    #[serde(rename = "FREE-TEXT")]
    FreeText,
    /// The evidence contradicts itself.
    #[serde(rename = "EVIDENCE")]
    Evidence,
}

impl RuleId {
    /// The identifier as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::R1 => "R1",
            Self::R2 => "R2",
            Self::R3 => "R3",
            Self::R4 => "R4",
            Self::R5 => "R5",
            Self::R6 => "R6",
            Self::R7 => "R7",
            Self::R8 => "R8",
            Self::R9 => "R9",
            Self::R10 => "R10",
            Self::Unattributed => "UNATTRIBUTED",
            Self::Complement => "COMPLEMENT",
            Self::Sparse => "SPARSE",
            Self::Cells => "CELLS",
            Self::FreeText => "FREE-TEXT",
            Self::Evidence => "EVIDENCE",
        }
    }

    /// What the rule says, for people; the same words whatever the data.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::R1 => "too few persons are behind a cell",
            Self::R2 => "too few persons are behind an aggregate, or behind what it leaves out",
            Self::R3 => "a few contributors hold too much of a total",
            Self::R4 => "a contributor's value could be estimated too closely",
            Self::R5 => "the table would say something about everybody in a group",
            Self::R6 => "a list of groups would say which small groups exist",
            Self::R7 => "with what was released before, the result would single out too few persons",
            Self::R8 => "the statistic has too few degrees of freedom",
            Self::R9 => "an indicator has a level held by too few persons",
            Self::R10 => "too few hospitals, practices or other second units are behind a cell",
            Self::Unattributed => "rows that belong to no known person reach a cell",
            Self::Complement => "a hidden cell could be computed from the table's totals",
            Self::Sparse => "too large a part of the table would be hidden",
            Self::Cells => "the table has more cells than one release may have",
            Self::FreeText => "free text is never released",
            Self::Evidence => "the result could not be checked",
        }
    }

    /// What the requester can do; the same words whatever the data.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::R1 | Self::R2 | Self::R6 | Self::R10 | Self::Sparse => {
                "use coarser categories or a longer period, so that more persons share a cell"
            }
            Self::R3 | Self::R4 => "ask for counts, or group so that no contributor stands out",
            Self::R5 => "use coarser categories, or explain to the reviewers why the finding is harmless",
            Self::R7 => "keep to the groups of the tables already released, or ask for a clearly different population",
            Self::R8 | Self::R9 => "ask for a table of counts, sums or means instead",
            Self::Unattributed => "leave out rows without a person key",
            Self::Complement => "ask for the table without totals, or use coarser categories",
            Self::Cells => "split the table into several releases or use coarser categories",
            Self::FreeText => "leave the free-text column out",
            Self::Evidence => "simplify the statement; the incident is recorded for the operator",
        }
    }
}

impl std::fmt::Display for RuleId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a finding does to the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Cells were hidden; the release goes on.
    Hidden,
    /// A person must look.
    Review,
    /// The release is refused.
    Refused,
}

/// Where a finding applies, without saying which cell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The table as a whole.
    Table,
    /// Some cells of one grouping set, by its index.
    GroupingSet(usize),
    /// Some cells of one aggregate, by its name.
    Aggregate(String),
}

/// One rule that fired.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFinding {
    /// The rule.
    pub rule: RuleId,
    /// What it does.
    pub severity: Severity,
    /// Where.
    pub scope: Scope,
    /// What the requester can do.
    pub remedy: String,
}

impl RuleFinding {
    /// A finding with the rule's own remedy.
    #[must_use]
    pub fn new(rule: RuleId, severity: Severity, scope: Scope) -> Self {
        Self { rule, severity, scope, remedy: rule.remedy().to_owned() }
    }
}
