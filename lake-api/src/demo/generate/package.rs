//! Data packages: the descriptors that lie beside the generated files.
//!
//! The shape is the Frictionless Data Package v2 with OSCAR HOST's `oscar` sections. A
//! descriptor names the digest, size and row count of every file, so intake can tell
//! that what arrived is what was sent.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use oscar_permit::Sha256Digest;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::GenerateError;

/// One package in the making: a folder, what is said about it, and its files so far.
pub(crate) struct PackageWriter {
    folder: PathBuf,
    about: Value,
    resources: Vec<Value>,
}

impl PackageWriter {
    /// Starts a package in `folder`; `about` is its descriptor without the resources.
    pub(crate) fn create(folder: PathBuf, about: Value) -> Result<Self, GenerateError> {
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder, about, resources: Vec::new() })
    }

    /// Opens a file of the package for writing.
    pub(crate) fn file(&self, name: &str) -> Result<File, GenerateError> {
        Ok(File::create(self.folder.join(name))?)
    }

    /// Adds a written file of `rows` rows, described by `resource` (everything but digest,
    /// size and row count, which are taken from the file itself).
    pub(crate) fn add(&mut self, file: &str, rows: u64, mut resource: Value) -> Result<(), GenerateError> {
        let (digest, bytes) = digest_of(&self.folder.join(file))?;
        if let Some(fields) = resource.as_object_mut() {
            fields.insert("path".into(), json!(file));
            fields.insert("hash".into(), json!(format!("sha256:{digest}")));
            fields.insert("bytes".into(), json!(bytes));
            if let Some(oscar) = fields.get_mut("oscar").and_then(Value::as_object_mut) {
                oscar.insert("rows".into(), json!(rows));
            }
        }
        self.resources.push(resource);
        Ok(())
    }

    /// Writes the descriptor and returns its path.
    pub(crate) fn finish(mut self) -> Result<PathBuf, GenerateError> {
        let path = self.folder.join("datapackage.json");
        if let Some(about) = self.about.as_object_mut() {
            about.insert("resources".into(), Value::Array(self.resources));
        }
        let mut file = File::create(&path)?;
        serde_json::to_writer_pretty(&mut file, &self.about)?;
        file.write_all(b"\n")?;
        Ok(path)
    }
}

fn digest_of(path: &Path) -> Result<(Sha256Digest, u64), GenerateError> {
    let mut hasher = Sha256::new();
    let bytes = io::copy(&mut File::open(path)?, &mut HashWriter(&mut hasher))?;
    Ok((Sha256Digest::from_bytes(hasher.finalize().into()), bytes))
}

struct HashWriter<'h>(&'h mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
