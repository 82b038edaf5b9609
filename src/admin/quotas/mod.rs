//! Quotas, and what repositories hold.

mod count;
mod list;
mod remove;
mod set;
mod usage;

pub(crate) use usage::NamespaceUsage;
