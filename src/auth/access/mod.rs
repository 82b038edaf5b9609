//! What someone may do: rules, policy over them, permits that policy alone makes, denials and explanations.

mod account_policy;
mod actor;
mod admin_permit;
mod catalog;
mod denial;
mod explanation;
pub(crate) mod permit;
mod policy;
pub(super) mod policy_cache;
mod pull_ranges;
mod rules;
mod scope;

pub use actor::{Actor, Caller};
pub use admin_permit::AdminPermit;
pub use catalog::CatalogPermit;
pub use denial::{Denial, DenialDetail};
pub use explanation::{Blocker, Explanation, Reason};
pub use permit::{Authorized, Continue, Delete, Permission, Pull, Push};
pub use policy::Policy;
pub use scope::Scope;
