//! The trash: listed, restored from, emptied.

mod empty;
mod list;
mod not_restored;
mod restore;

pub(crate) use list::DeletedItem;
pub(crate) use not_restored::NotRestored;
pub(crate) use restore::Restored;
