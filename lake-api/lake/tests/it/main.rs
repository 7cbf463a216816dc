//! The lake on every backend: one suite, run on a local directory and on a real S3 server.

mod backend;
mod contracts;
mod failing_store;
mod failures;
mod kills;
mod put_if_absent;
mod rows;
mod storages;
mod table_commits;
mod table_reads;
