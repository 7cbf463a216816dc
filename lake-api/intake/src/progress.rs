//! How far an intake has come, for whoever wants to show it.

use oscar_permit::TableName;

/// Told about an intake while it runs, in order, from one task at a time.
pub trait Progress: Send + Sync {
    /// A table begins. `bytes` is the size of its files on disk.
    fn table(&self, table: &TableName, bytes: u64);
    /// So far, in this table: rows seen, rows put into quarantine, bytes of its files read.
    fn advance(&self, rows: u64, quarantined: u64, bytes: u64);
    /// All files are read and checked; tables are being made visible.
    fn committing(&self);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn table(&self, _: &TableName, _: u64) {}
    fn advance(&self, _: u64, _: u64, _: u64) {}
    fn committing(&self) {}
}
