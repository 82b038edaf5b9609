//! Repositories of every owner.

mod list;
mod remove;
mod show;
mod tags;

pub(crate) use show::Repository;
pub(crate) use tags::TaggedManifest;
