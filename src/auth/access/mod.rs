//! What someone may do: rules, policy over them, permits that policy alone makes, denials and explanations.

mod catalog;
mod denial;
mod explanation;
pub(crate) mod permit;
pub(super) mod policy;
mod reach;
mod rules;
mod scope;

pub use catalog::CatalogPermit;
pub use denial::{Denial, Refusal};
pub use explanation::{Explanation, Obstacle, Reason};
pub use permit::{Authorized, Continue, Delete, Permission, Pull, Push};
pub use policy::Policy;
pub use scope::Scope;
