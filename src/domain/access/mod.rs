//! The values of access control: account names, actions, patterns, grantees, and the users that certificates name.

pub mod account_name;
pub mod account_pattern;
pub mod action;
pub mod client_certificate;
pub mod glob;
pub mod grantee;
pub mod user_rule;

pub use account_name::AccountName;
pub use account_pattern::AccountPattern;
pub use action::{Action, Actions};
pub use client_certificate::ClientCertificate;
pub use glob::Glob;
pub use grantee::Grantee;
pub use user_rule::{CertificateField, Unnamed, UserRule};
