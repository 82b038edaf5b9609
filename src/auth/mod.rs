//! Who someone is, and what they may do. Access is denied unless a grant allows it.
//!
//! [`permit::Authorized`] is the proof that policy allowed an action on a repository; only [`policy`] makes one, and use cases
//! take it as an argument, so an unauthorised path does not compile.

pub mod permit;

pub use permit::{Authorized, Catalog, Continue, Delete, Permission, Pull, Push};
