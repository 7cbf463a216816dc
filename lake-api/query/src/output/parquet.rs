//! Parquet whose bytes depend on the table alone: no compression, no statistics, no
//! engine's schema, and a fixed name in place of the program's version.

use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_writer::ArrowWriterOptions;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::OutputTable;

/// The table cannot be written as Parquet.
#[derive(Debug, thiserror::Error)]
#[error("the result cannot be written as Parquet")]
pub struct OutputParquetError(#[from] ParquetError);

impl OutputTable {
    /// The table as a Parquet file.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn to_parquet(&self) -> Result<Vec<u8>, OutputParquetError> {
        let properties = WriterProperties::builder()
            .set_created_by("oscar-host".to_owned())
            .set_compression(Compression::UNCOMPRESSED)
            .set_statistics_enabled(EnabledStatistics::None)
            .build();
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new_with_options(&mut bytes, self.rows.schema(), options)?;
        writer.write(&self.rows)?;
        writer.close()?;
        Ok(bytes)
    }
}
