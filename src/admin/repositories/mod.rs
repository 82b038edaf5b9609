//! Repositories of every owner.

mod history;
mod hold;
mod list;
mod purge;
mod remove;
mod show;
mod tags;

pub(crate) use history::{Past, PurgedBefore, TagEntry, TagMoment};
pub(crate) use hold::Hold;
pub(crate) use show::Repository;
pub(crate) use tags::TaggedManifest;
