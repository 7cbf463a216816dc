//! Why the generator gave up.

/// Why no extracts were made.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// A file could not be written.
    #[error("a generated file could not be written; check that the folder is writable and the disk has room")]
    Io(#[from] std::io::Error),
    /// A reference list that is built into the program is damaged, or a row could not be written.
    #[error("a generated table could not be written as comma-separated text")]
    Csv(#[from] csv::Error),
    /// A table could not be built in memory.
    #[error("a generated table could not be built")]
    Arrow(#[from] arrow::error::ArrowError),
    /// A Parquet file could not be written.
    #[error("a generated Parquet file could not be written")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// The weights of a reference list say nothing.
    #[error("a reference list that is built into the program has no usable weights")]
    Weights(#[from] rand::distr::weighted::Error),
    /// A package description could not be written.
    #[error("a generated package description could not be written")]
    Json(#[from] serde_json::Error),
    /// The status day cannot be.
    #[error("the day on which the generated registers stand is not a date")]
    StatusDay,
}
