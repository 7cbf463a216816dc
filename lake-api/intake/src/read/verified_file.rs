//! Random access to a file that was hashed from end to end before.
//!
//! Parquet is read here and there, after its digest has been compared. While the whole file
//! passes by, every block of it is remembered as 64 bits of a hash under a key drawn at
//! random; every later read is compared block by block. A file that is changed in between gives an
//! error and never a byte that was not part of the digest.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// Bytes that are compared at once.
const BLOCK: usize = 64 * 1024;

/// The hashes of a file's blocks, made while it passes by.
#[derive(Debug, Default)]
pub(super) struct BlockHashes {
    key: RandomState,
    hashes: Vec<u64>,
    open: Vec<u8>,
    length: u64,
}

impl BlockHashes {
    /// Takes the next bytes of the file.
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.open.len()));
            self.open.extend_from_slice(now);
            bytes = later;
            if self.open.len() == BLOCK {
                self.end_block();
            }
        }
    }

    fn end_block(&mut self) {
        self.hashes.push(self.key.hash_one(self.open.as_slice()));
        self.open.clear();
    }

    /// The file these are the hashes of.
    pub(super) fn of(mut self, file: File) -> VerifiedFile {
        if !self.open.is_empty() {
            self.end_block();
        }
        let Self { key, hashes, open: _, length } = self;
        VerifiedFile(Arc::new(Inner { file, key, hashes, length }))
    }
}

/// The file; clones read the same one.
#[derive(Debug, Clone)]
pub(super) struct VerifiedFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: File,
    key: RandomState,
    hashes: Vec<u64>,
    length: u64,
}

impl VerifiedFile {
    /// A block, compared with its hash.
    fn block(&self, number: usize) -> Result<Vec<u8>> {
        let Inner { file, key, hashes, length } = self.0.as_ref();
        let start = (number * BLOCK) as u64;
        let size = usize::try_from(length.saturating_sub(start)).map_or(BLOCK, |rest| rest.min(BLOCK));
        let mut block = vec![0; size];
        file.read_exact_at(&mut block, start)?;
        if hashes.get(number) == Some(&key.hash_one(block.as_slice())) {
            Ok(block)
        } else {
            Err(ParquetError::General("the file changed while it was read".into()))
        }
    }
}

impl Length for VerifiedFile {
    fn len(&self) -> u64 {
        self.0.length
    }
}

impl ChunkReader for VerifiedFile {
    type T = VerifiedReader;

    fn get_read(&self, start: u64) -> Result<VerifiedReader> {
        Ok(VerifiedReader { file: self.clone(), at: start, block: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.0.length) {
            return Err(ParquetError::EOF("beyond the end of the file".into()));
        }
        let mut bytes = Vec::with_capacity(length);
        self.get_read(start)?.take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// Reads on from one place.
#[derive(Debug)]
pub(super) struct VerifiedReader {
    file: VerifiedFile,
    at: u64,
    block: Bytes,
}

impl Read for VerifiedReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.block.is_empty() && self.at < self.file.0.length {
            let number = usize::try_from(self.at / BLOCK as u64).map_err(std::io::Error::other)?;
            let mut block = Bytes::from(self.file.block(number).map_err(std::io::Error::other)?);
            block.advance(usize::try_from(self.at % BLOCK as u64).map_err(std::io::Error::other)?);
            self.block = block;
        }
        let count = buffer.len().min(self.block.len());
        if let Some(filled) = buffer.get_mut(..count) {
            self.block.copy_to_slice(filled);
        }
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn every_byte_comes_back_and_a_changed_one_never() {
        let content: Vec<u8> = (0..3 * BLOCK + 17).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&content).unwrap();
        let mut hashes = BlockHashes::default();
        content.chunks(1000).for_each(|bytes| hashes.update(bytes));
        let verified = hashes.of(file.reopen().unwrap());
        assert_eq!(verified.len(), content.len() as u64);
        for (start, length) in [(0, content.len()), (5, 10), (BLOCK - 1, 2), (3 * BLOCK, 17), (content.len(), 0)] {
            assert_eq!(verified.get_bytes(start as u64, length).unwrap(), content[start..start + length]);
        }
        assert!(verified.get_bytes(1, content.len()).is_err());
        file.as_file().write_at(b"!", BLOCK as u64 + 3).unwrap();
        assert!(verified.get_bytes(0, BLOCK).is_ok());
        assert!(verified.get_bytes(BLOCK as u64 - 1, 2).is_err());
        file.as_file().set_len(2 * BLOCK as u64).unwrap();
        assert!(verified.get_bytes(3 * BLOCK as u64, 17).is_err());
    }
}
