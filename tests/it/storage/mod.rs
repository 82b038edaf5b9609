//! What every storage backend must do, sentence by sentence of the contracts in `portcullis::storage`. Each case is a test of its own for
//! each backend ([`subject`]); next to them what is particular to the disk and to `SQLite`, that databases of earlier versions open, and
//! that nothing acknowledged is lost to kill -9.

#[macro_use]
mod subject;

mod account_policies;
mod acme;
mod blobs;
mod collection;
mod collection_guard;
mod content;
mod coordination;
mod crash;
mod disk;
mod figures;
mod immutable;
mod imports;
mod integrity;
mod lists;
mod manifests;
mod policy;
mod pulls;
mod purge;
mod quotas;
mod repositories;
mod repository_blobs;
mod retention;
mod shared_state;
mod sqlite;
mod tag_history;
mod tags;
mod trash;
mod undelete;
mod upgrade;
mod uploads;
