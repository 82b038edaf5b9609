//! The values of access control: account names, actions, patterns, grantees, the users that certificates name, and rules about tags.

pub mod account_name;
pub mod account_pattern;
pub mod action;
pub mod client_certificate;
pub mod glob;
pub mod grantee;
pub mod immutable_rule;
pub mod tag_pattern;
pub mod user_rule;

pub use account_name::AccountName;
pub use account_pattern::AccountPattern;
pub use action::{Action, Actions};
pub use client_certificate::ClientCertificate;
pub use glob::Glob;
pub use grantee::Grantee;
pub use immutable_rule::{ImmutableRule, ImmutableRules, TagProtection};
pub use tag_pattern::TagPattern;
pub use user_rule::{CertificateField, Unnamed, UserRule};
