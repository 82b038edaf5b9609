//! What someone may do. `policy` decides, from the `rules` that grants make; it alone makes permits (`permit`, `catalog`, `admin_permit`), which
//! say who acts (`actor`). `denial` is its no, `explanation` its reasons, `scope` what a token was asked for, `pull_ranges` where a list
//! searches. `policy_cache` reads the policy of each account, and knows when to read it again.

mod actor;
mod admin_permit;
mod catalog;
mod denial;
mod explanation;
mod permit;
mod policy;
mod policy_cache;
mod pull_ranges;
mod rules;
mod scope;

pub use actor::{Actor, Caller};
pub use admin_permit::AdminPermit;
pub use catalog::CatalogPermit;
pub use denial::Denial;
pub(crate) use explanation::Explanation;
pub use permit::{Authorized, Continue, Delete, Permission, Pull, Push};
pub use policy::Policy;
pub(super) use policy_cache::PolicyCache;
pub use scope::Scope;
