//! Which tags and untagged manifests of a repository are kept. Pure: [`judge()`] is given a repository as a graph, and the rules.

pub mod graph;
pub mod judge;
pub mod keep;
mod links;
mod lost;
pub mod reason;
pub mod rule;
pub mod version;

#[cfg(test)]
mod judge_tests;
#[cfg(test)]
mod reference_tests;

pub use graph::{ManifestNode, RepositoryGraph, TagNode};
pub use judge::{Circumstances, Decision, Judgement, judge};
pub use keep::{Keep, KeepClauses, Order};
pub use reason::Reason;
pub use rule::{InvalidRule, RetentionRule, Selection};
pub use version::Version;
