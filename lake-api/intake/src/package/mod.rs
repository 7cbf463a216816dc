//! The data package: read as text, resolved into a plan that leaves nothing to guess.
//!
//! ```text
//!  datapackage.json ─▶ Descriptor (as written) ─▶ DeliveryPlan (files found, types known,
//!  datapackage.yaml                               names in the lake, checks compiled,
//!                                                 contract built, order of tables decided)
//! ```

mod cell_format;
mod checks;
mod column_name;
mod contract;
mod date_pattern;
mod descriptor;
mod error;
mod field;
mod file_format;
mod file_path;
mod person_numbers;
mod plan;
mod resource;

pub(crate) use cell_format::{Cell, CellFormat};
pub(crate) use checks::{AnyOf, Bounds, Checks, number_bits};
pub(crate) use descriptor::{DeliveryMode, PersonKeyKind};
pub use error::{PackageError, ResourceError};
pub(crate) use field::{Fate, FieldPlan};
pub(crate) use file_format::{Compression, CsvDialect, Encoding, FileFormat};
pub use file_path::PathError;
pub(crate) use plan::DeliveryPlan;
pub(crate) use resource::{FieldsMatch, FilePlan, PersonPlan, QUARANTINE, ReferencedFields, ResourcePlan};
