//! From files to blocks: opening, hashing, decompressing, counting.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use oscar_permit::Sha256Digest;
use sha2::{Digest, Sha256};

use super::block::Block;
use super::{ReadError, csv, ndjson, opened, parquet};
use crate::package::{Compression, FileFormat, FilePlan, ResourcePlan};

const BUFFER: usize = 256 * 1024;

/// Takes blocks in order; an error means that nobody wants more.
pub(crate) trait BlockSink {
    fn send(&mut self, block: Block) -> Result<(), ReadError>;
}

/// Reads all files of a resource; every digest and count has been compared when it returns.
pub(crate) fn read_resource(plan: &ResourcePlan, sink: &mut dyn BlockSink) -> Result<(), ReadError> {
    let mut rows = 0;
    let mut bytes = 0;
    let mut text = TextEvidence::default();
    for (number, file) in (1..).zip(&plan.files) {
        let mut source = Source::open(file, number, bytes)?;
        rows = match plan.format {
            FileFormat::Csv(dialect) => csv::read(plan, &dialect, &mut source, rows, &mut text, sink)?,
            FileFormat::NdJson => ndjson::read(&mut source, plan.fields.len(), rows, sink)?,
            FileFormat::Parquet => parquet::read(plan, &mut source, rows, sink)?,
        };
        bytes = source.finish()?;
    }
    if let FileFormat::Csv(dialect) = plan.format {
        text.judge(dialect.encoding)?;
    }
    match plan.bytes {
        Some(declared) if declared != bytes => return Err(ReadError::Bytes { found: bytes, declared }),
        Some(_) | None => {}
    }
    match plan.rows {
        Some(declared) if declared != rows => Err(ReadError::Rows { found: rows, declared }),
        Some(_) | None => Ok(()),
    }
}

/// What the bytes of all text files say about their encoding.
#[derive(Debug)]
pub(crate) struct TextEvidence {
    /// Something beyond ASCII was there.
    pub(crate) beyond_ascii: bool,
    /// Everything was valid UTF-8.
    pub(crate) utf8: bool,
}

impl Default for TextEvidence {
    fn default() -> Self {
        Self { beyond_ascii: false, utf8: true }
    }
}

impl TextEvidence {
    /// Any bytes are valid Latin-1, so UTF-8 that is declared so would be stored garbled.
    /// By chance Latin-1 text is UTF-8 only when it has next to no letters beyond ASCII.
    fn judge(&self, declared: crate::package::Encoding) -> Result<(), ReadError> {
        match declared {
            crate::package::Encoding::Windows1252 if self.beyond_ascii && self.utf8 => {
                Err(ReadError::DeclaredEncoding { declared: "iso-8859-1 or windows-1252" })
            }
            crate::package::Encoding::Windows1252 | crate::package::Encoding::Utf8 => Ok(()),
        }
    }
}

/// One file, decompressed, with its bytes hashed on the way.
pub(crate) struct Source {
    number: usize,
    compression: Compression,
    expected: Sha256Digest,
    /// The open file, once more: the same one whatever happens to its path.
    opened: File,
    before: u64,
    read: Arc<AtomicU64>,
    reader: Box<dyn BufRead>,
    /// What was taken and is to be read once more, from the place on.
    again: (Vec<u8>, usize),
    digest: Arc<std::sync::Mutex<Sha256>>,
}

impl Source {
    fn open(file: &FilePlan, number: usize, before: u64) -> Result<Self, ReadError> {
        let io = |source| ReadError::Io { file: number, source };
        let handle = opened::open(file, number)?;
        let opened = handle.try_clone().map_err(io)?;
        let read = Arc::new(AtomicU64::new(0));
        let digest = Arc::new(std::sync::Mutex::new(Sha256::new()));
        let hashing = Hashing { inner: handle, digest: Arc::clone(&digest), read: Arc::clone(&read) };
        let raw = BufReader::with_capacity(BUFFER, hashing);
        let reader: Box<dyn BufRead> = match file.compression {
            Compression::None => Box::new(raw),
            Compression::Gzip => Box::new(BufReader::with_capacity(BUFFER, flate2::bufread::MultiGzDecoder::new(raw))),
            Compression::Zstd => {
                Box::new(BufReader::with_capacity(BUFFER, zstd::stream::read::Decoder::with_buffer(raw).map_err(io)?))
            }
        };
        let (compression, expected) = (file.compression, file.digest);
        Ok(Self { number, compression, expected, opened, before, read, reader, again: (Vec::new(), 0), digest })
    }

    /// Which file of the resource, from 1.
    pub(crate) const fn number(&self) -> usize {
        self.number
    }

    /// Bytes read from this and all earlier files.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.before + self.read.load(Ordering::Relaxed)
    }

    /// The next bytes; empty at the end.
    pub(crate) fn fill(&mut self) -> Result<&[u8], ReadError> {
        let (again, from) = &self.again;
        if let Some(rest @ [_, ..]) = again.get(*from..) {
            return Ok(rest);
        }
        let (number, compression) = (self.number, self.compression);
        self.reader.fill_buf().map_err(|source| match compression {
            Compression::None => ReadError::Io { file: number, source },
            Compression::Gzip | Compression::Zstd => ReadError::Compression { file: number, source },
        })
    }

    /// Marks bytes of the last [`Source::fill`] as used.
    pub(crate) fn consume(&mut self, bytes: usize) {
        let (again, from) = &mut self.again;
        if *from < again.len() {
            *from += bytes;
        } else {
            self.reader.consume(bytes);
        }
    }

    /// Puts bytes back that were taken; the next [`Source::fill`] begins with them.
    pub(crate) fn put_back(&mut self, mut bytes: Vec<u8>) {
        let (again, from) = &self.again;
        bytes.extend_from_slice(again.get(*from..).unwrap_or_default());
        self.again = (bytes, 0);
    }

    /// Skips a byte order mark; refuses the marks of UTF-16.
    pub(crate) fn skip_byte_order_mark(&mut self) -> Result<(), ReadError> {
        let mut start = Vec::new();
        // A decompressor may begin with a byte or two.
        while start.len() < 3 {
            let text = self.fill()?;
            let length = text.len().min(3 - start.len());
            if length == 0 {
                break;
            }
            start.extend_from_slice(text.get(..length).unwrap_or_default());
            self.consume(length);
        }
        match start.as_slice() {
            [0xEF, 0xBB, 0xBF] => {}
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => return Err(ReadError::Utf16 { file: self.number }),
            _ => self.put_back(start),
        }
        Ok(())
    }

    /// The open file, for reading at any place.
    pub(crate) fn opened(&self) -> Result<File, ReadError> {
        self.opened.try_clone().map_err(|source| ReadError::Io { file: self.number, source })
    }

    /// Compares the digest of what has been read.
    pub(crate) fn compare_digest(&self) -> Result<(), ReadError> {
        let digest = self.digest.lock().map_err(|_| ReadError::Interrupted)?.clone().finalize();
        if digest.as_slice() == self.expected.as_bytes() {
            Ok(())
        } else {
            Err(ReadError::Digest { file: self.number })
        }
    }

    /// Reads to the end and compares the digest; returns the bytes read so far.
    fn finish(mut self) -> Result<u64, ReadError> {
        // A format that knows its end may leave bytes unread; they belong to the digest.
        loop {
            let rest = self.fill()?.len();
            if rest == 0 {
                break;
            }
            self.consume(rest);
        }
        self.compare_digest()?;
        Ok(self.bytes_read())
    }
}

struct Hashing {
    inner: File,
    digest: Arc<std::sync::Mutex<Sha256>>,
    read: Arc<AtomicU64>,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let (Some(bytes), Ok(mut digest)) = (buffer.get(..count), self.digest.lock()) {
            digest.update(bytes);
        }
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
