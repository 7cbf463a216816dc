//! Errors of intake: refusals, which are the data holder's to mend, and failures, which are not.

use oscar_journal::{JournalError, RecordError, TransitionError};
use oscar_lake::{ContractStoreError, KeyError, TableError};
use oscar_permit::{DatasetName, Denial, PermitId, TableName};

use crate::package::PackageError;
use crate::person_index::PersonIndexError;
use crate::pseudonymise::KeyCheckError;
use crate::read::ReadError;

/// Why a delivery was not taken in. Nothing of it is visible.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The delivery breaks a rule; the journal has recorded the refusal where the dataset could be told.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The lake.
    #[error("the lake cannot be written; nothing of the delivery is visible: deliver again when its store is back")]
    Lake(#[from] TableError),
    /// The store of contracts.
    #[error(
        "a contract cannot be read or stored; nothing of the delivery is visible: deliver again when the store is back"
    )]
    Contract(#[from] ContractStoreError),
    /// The journal.
    #[error(
        "the journal cannot be written; deliver again when it is back: an accepted delivery is never taken in twice"
    )]
    Journal(#[from] JournalError),
    /// The journal would not record the outcome.
    #[error("the journal did not record the outcome; deliver again")]
    Record(#[from] RecordError),
    /// The journal does not allow the acceptance.
    #[error("the journal does not allow the delivery to be accepted")]
    Illegal(#[source] TransitionError),
    /// The person index.
    #[error(transparent)]
    PersonIndex(#[from] PersonIndexError),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A key that is not the one used before.
    #[error(transparent)]
    KeyCheck(#[from] KeyCheckError),
    /// Another intake of the dataset was accepted while this one ran, again and again.
    #[error("other deliveries of dataset {0} were accepted meanwhile; deliver again")]
    Overtaken(DatasetName),
    /// A thread ended without a result.
    #[error("the intake was interrupted; nothing of the delivery is visible: deliver again")]
    Interrupted,
}

/// Which rule a delivery breaks, and what mends it.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The package.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The permit is not in force.
    #[error(transparent)]
    Permit(#[from] Denial),
    /// The permit does not name the dataset.
    #[error("permit {permit} does not list dataset {dataset}; deliver only what was permitted")]
    Dataset {
        /// The permit.
        permit: PermitId,
        /// The dataset.
        dataset: DatasetName,
    },
    /// The permit does not name a table.
    #[error("permit {permit} does not list table {table}; leave it out of the package, or have the permit changed")]
    Table {
        /// The permit.
        permit: PermitId,
        /// The table.
        table: TableName,
    },
    /// Rows under another permit cannot be added to.
    #[error(
        "the rows that are there were delivered under another permit and have other pseudonyms; deliver the whole dataset"
    )]
    AppendToOtherPermit,
    /// The added rows have other columns than the rows that are there.
    #[error(
        "table {table} cannot be appended to: its columns differ from the ones that are there; deliver the whole dataset"
    )]
    AppendToOtherColumns {
        /// The table.
        table: TableName,
    },
    /// Accepted before, and replaced since.
    #[error(
        "this very delivery was accepted before and is superseded by a later delivery; to deliver it again, change the descriptor (its version or created date)"
    )]
    Superseded,
    /// Rows whose persons cannot be recognised among the ones that are there.
    #[error(
        "table {table} cannot be appended to: what named the persons who are there was not kept; deliver the whole dataset"
    )]
    AppendToUnknownPersons {
        /// The table.
        table: TableName,
    },
    /// Everybody would be taken for somebody new.
    #[error(
        "table {table}: its persons are named otherwise than in earlier deliveries (the kind of the key, identifierSpace, or the holder's name in its place), and nobody would be recognised; keep oscar.identifierSpace as it was, which may be the holder's earlier name, or deliver under a new dataset name"
    )]
    PersonsNamedOtherwise {
        /// The table.
        table: TableName,
    },
    /// A file of a table.
    #[error("table {table}: {source}")]
    Read {
        /// The table.
        table: TableName,
        /// What is wrong with it.
        source: ReadError,
    },
    /// Too many bad rows.
    #[error(
        "table {table}: {quarantined} of {rows} rows break a rule, more than the {limit_percent} % that may; most often: {most_often}"
    )]
    TooManyBadRows {
        /// The table.
        table: TableName,
        /// Rows that break a rule.
        quarantined: u64,
        /// Rows read so far.
        rows: u64,
        /// The limit.
        limit_percent: f64,
        /// The field and the rule that were broken most often.
        most_often: String,
    },
    /// A person number outside the person key.
    #[error(
        "table {table}: column '{field}' holds person numbers; mask it (oscar.mask), drop it (oscar.drop), or leave it out\
         {hint}"
    )]
    PersonNumber {
        /// The table.
        table: TableName,
        /// The field.
        field: String,
        /// What else helps, where it does.
        hint: &'static str,
    },
    /// The person key is declared an identifier and holds person numbers.
    #[error(
        "table {table}: the person key '{field}' holds person numbers; write personKeyKind: cpr, so that a person is the same in every register"
    )]
    PersonNumberAsIdentifier {
        /// The table.
        table: TableName,
        /// The field.
        field: String,
    },
    /// Nobody is named in any row.
    #[error("table {table}: the person key is empty in every row; name the field that holds it")]
    EmptyPersonKey {
        /// The table.
        table: TableName,
    },
    /// More keys than can be compared.
    #[error("table {table} has more than 100 million keys to compare; deliver it in parts")]
    TooManyKeys {
        /// The table.
        table: TableName,
    },
}

impl Refusal {
    /// The stable id that the journal records.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Package(PackageError::PersonNumber(_)) | Self::PersonNumber { .. } => "person-number",
            Self::Package(_) => "package",
            Self::Permit(_) => "permit-not-in-force",
            Self::Dataset { .. } => "dataset-not-permitted",
            Self::Table { .. } => "table-not-permitted",
            Self::AppendToOtherPermit => "append-to-other-permit",
            Self::AppendToOtherColumns { .. } => "append-to-other-columns",
            Self::Superseded => "superseded",
            Self::AppendToUnknownPersons { .. } => "append-to-unknown-persons",
            Self::PersonsNamedOtherwise { .. } => "persons-named-otherwise",
            Self::Read { source, .. } => read_rule(source),
            Self::TooManyBadRows { .. } => "too-many-bad-rows",
            Self::PersonNumberAsIdentifier { .. } => "person-key-kind",
            Self::EmptyPersonKey { .. } => "empty-person-key",
            Self::TooManyKeys { .. } => "too-many-keys",
        }
    }

    /// The table it is about.
    #[must_use]
    pub const fn table(&self) -> Option<&TableName> {
        match self {
            Self::Package(_)
            | Self::Permit(_)
            | Self::Dataset { .. }
            | Self::AppendToOtherPermit
            | Self::Superseded => None,
            Self::Table { table, .. }
            | Self::AppendToOtherColumns { table }
            | Self::AppendToUnknownPersons { table }
            | Self::PersonsNamedOtherwise { table }
            | Self::Read { table, .. }
            | Self::TooManyBadRows { table, .. }
            | Self::PersonNumber { table, .. }
            | Self::PersonNumberAsIdentifier { table, .. }
            | Self::EmptyPersonKey { table }
            | Self::TooManyKeys { table } => Some(table),
        }
    }
}

const fn read_rule(error: &ReadError) -> &'static str {
    match error {
        ReadError::Io { .. } => "file-unreadable",
        ReadError::Replaced { .. } => "file-replaced",
        ReadError::Compression { .. } => "file-truncated",
        ReadError::Digest { .. } => "file-digest",
        ReadError::Bytes { .. } => "file-size",
        ReadError::Rows { .. } => "row-count",
        ReadError::MissingColumn { .. } | ReadError::NoColumns { .. } | ReadError::NoHeader { .. } => "column-missing",
        ReadError::ExtraColumns { .. } => "column-extra",
        ReadError::ColumnOrder { .. } => "column-order",
        ReadError::DuplicateColumn { .. } => "column-twice",
        ReadError::Utf16 { .. } | ReadError::Encoding { .. } | ReadError::DeclaredEncoding { .. } => "encoding",
        ReadError::TooLong { .. } => "row-too-long",
        ReadError::OpenQuote { .. } => "open-quote",
        ReadError::MisplacedQuote { .. } => "misplaced-quote",
        ReadError::Json { .. } => "json",
        ReadError::Parquet { .. } => "parquet",
        ReadError::ColumnType { .. } => "column-type",
        ReadError::Interrupted => "interrupted",
    }
}

impl IntakeError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.rule(),
            Self::Lake(_) => "lake",
            Self::Contract(_) => "contract-store",
            Self::Journal(_) | Self::Record(_) | Self::Illegal(_) => "journal",
            Self::PersonIndex(_) => "person-index",
            Self::Key(_) | Self::KeyCheck(_) => "key",
            Self::Overtaken(_) => "overtaken",
            Self::Interrupted => "interrupted",
        }
    }
}
