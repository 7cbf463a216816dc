//! Pseudonyms: 16 bytes in a file, 32 letters for whoever reads it.
//!
//! The bits of a pseudonym are as good as random: no dictionary and no compression makes them smaller,
//! and letters would be twice as many bytes to assemble and to compress for every row. So the column of
//! [`TableKind::Persons`](oscar_permit::TableKind) is stored as bytes (`binary` in the Delta log), not
//! compressed, and the letters are made where the column is read.
//!
//! A pseudonym is written with 32 of the letters `a` to `p`, one for every four bits. It has no digits on
//! purpose: no scan for person numbers can ever mistake one.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray, StringViewArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow::error::ArrowError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DataFusionError, Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_plan::PhysicalExpr;

/// 128 bits that stand for a person under one permit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Pseudonym([u8; 16]);

impl Pseudonym {
    /// Letters that it is written with.
    pub const LETTERS: usize = 32;
    const BYTES: usize = 16;

    /// A pseudonym of 128 bits.
    #[must_use]
    pub const fn from_bits(bits: [u8; 16]) -> Self {
        Self(bits)
    }

    /// Its 32 letters, ASCII.
    #[must_use]
    pub fn letters(&self) -> [u8; Self::LETTERS] {
        let mut letters = [0; Self::LETTERS];
        let (quarters, _) = self.0.as_chunks::<4>();
        for (to, bits) in letters.as_chunks_mut::<8>().0.iter_mut().zip(quarters) {
            *to = eight_letters(u32::from_be_bytes(*bits)).to_be_bytes();
        }
        letters
    }

    /// A column of pseudonyms as it is stored; null where there is none.
    ///
    /// # Errors
    /// When there are more than fit into one array (134 million).
    pub fn column<'a>(rows: impl ExactSizeIterator<Item = Option<&'a Self>>) -> Result<BinaryArray, ArrowError> {
        let mut bytes = Vec::with_capacity(rows.len() * Self::BYTES);
        let mut ends = Vec::with_capacity(rows.len() + 1);
        let mut present = Vec::with_capacity(rows.len());
        ends.push(0);
        for row in rows {
            if let Some(pseudonym) = row {
                bytes.extend_from_slice(&pseudonym.0);
            }
            ends.push(end(&bytes)?);
            present.push(row.is_some());
        }
        let nulls = present.contains(&false).then(|| NullBuffer::from(present));
        BinaryArray::try_new(OffsetBuffer::new(ScalarBuffer::from(ends)), Buffer::from_vec(bytes), nulls)
    }
}

/// Four bits in every byte, the first four in the highest, each as a letter from `a` on.
const fn eight_letters(bits: u32) -> u64 {
    let halves = (bits as u64 | (bits as u64) << 16) & 0x0000_ffff_0000_ffff;
    let bytes = (halves | halves << 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (bytes | bytes << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    fours + u64::from_be_bytes([b'a'; 8])
}

/// Where a buffer ends, as an offset of an array.
fn end(bytes: &[u8]) -> Result<i32, ArrowError> {
    i32::try_from(bytes.len()).map_err(|_| ArrowError::OffsetOverflowError(bytes.len()))
}

/// Whether a column of the lake holds pseudonyms; nothing else is stored as bytes.
pub(crate) const fn is_stored_pseudonym(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::BinaryView)
}

/// The letters of a column of stored pseudonyms.
pub(crate) fn letters_of(
    stored: Arc<dyn PhysicalExpr>,
    schema: &Schema,
    options: &Arc<ConfigOptions>,
) -> Result<Arc<dyn PhysicalExpr>> {
    let letters = Arc::new(ScalarUDF::from(PseudonymLetters { signature: signature() }));
    Ok(Arc::new(ScalarFunctionExpr::try_new(letters, vec![stored], schema, Arc::clone(options))?))
}

/// From 16 bytes to 32 letters. It is no function of SQL: no statement can name it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct PseudonymLetters {
    signature: Signature,
}

fn signature() -> Signature {
    Signature::exact(vec![DataType::BinaryView], Volatility::Immutable)
}

impl ScalarUDFImpl for PseudonymLetters {
    fn name(&self) -> &'static str {
        "pseudonym_letters"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), DataType::Utf8View, nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [stored] = arrays.as_slice() else {
            return exec_err!("pseudonyms are one column");
        };
        Ok(ColumnarValue::Array(letters(stored)?))
    }
}

fn letters(stored: &ArrayRef) -> Result<ArrayRef> {
    let Some(stored) = stored.as_binary_view_opt() else {
        return exec_err!("pseudonyms are stored as bytes");
    };
    let mut letters = Vec::with_capacity(stored.len() * Pseudonym::LETTERS);
    let mut ends = Vec::with_capacity(stored.len() + 1);
    ends.push(0);
    for bytes in stored {
        if let Some(bytes) = bytes {
            let bits = <[u8; Pseudonym::BYTES]>::try_from(bytes).map_err(|_| damaged())?;
            letters.extend_from_slice(&Pseudonym(bits).letters());
        }
        ends.push(end(&letters)?);
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
    let texts = StringArray::try_new(offsets, Buffer::from_vec(letters), stored.nulls().cloned())?;
    Ok(Arc::new(StringViewArray::from(&texts)))
}

fn damaged() -> DataFusionError {
    DataFusionError::Execution("a stored pseudonym does not have 16 bytes; deliver the dataset again".to_owned())
}

#[cfg(test)]
mod tests {
    use arrow::array::BinaryViewArray;

    use super::*;

    const BITS: [u8; 16] =
        [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10];

    #[test]
    fn every_four_bits_are_a_letter() {
        assert_eq!(&Pseudonym::from_bits(BITS).letters(), b"abcdefghijklmnopponmlkjihgfedcba");
    }

    #[test]
    fn what_is_stored_is_read_as_letters_and_nobody_stays_nobody() {
        let (one, other) = (Pseudonym::from_bits(BITS), Pseudonym::default());
        let stored = Pseudonym::column([Some(&one), None, Some(&other)].into_iter()).unwrap();
        let read = letters(&(Arc::new(BinaryViewArray::from(&stored)) as ArrayRef)).unwrap();
        let nobody = "a".repeat(32);
        let expected = [Some("abcdefghijklmnopponmlkjihgfedcba"), None, Some(nobody.as_str())];
        assert_eq!(read.as_string_view().iter().collect::<Vec<_>>(), expected);
        let everybody = Pseudonym::column([Some(&one)].into_iter()).unwrap();
        assert!(everybody.nulls().is_none());
    }

    #[test]
    fn bytes_that_are_no_pseudonym_are_an_error() {
        for wrong in [&b""[..], &BITS[..15], &[0; 17]] {
            let stored: ArrayRef = Arc::new(BinaryViewArray::from(vec![Some(wrong)]));
            let error = letters(&stored).unwrap_err();
            assert!(error.to_string().contains("16 bytes"), "{error}");
        }
    }
}
