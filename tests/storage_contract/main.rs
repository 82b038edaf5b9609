//! What every storage backend must do, sentence by sentence of the contracts in `portcullis::storage`; beside it what is
//! particular to the disk and to `SQLite`, and that nothing acknowledged is lost to kill -9.

mod acme;
mod blobs;
mod crash;
mod disk;
mod figures;
mod generations;
mod lists;
mod metadata;
mod policy;
mod sqlite;
mod support;
