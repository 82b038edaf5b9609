//! What follows from a write for everyone else: committed together with it, so that neither is ever seen without the other. Every operation
//! of a backend answers with its effects, which are carried out in one place before the commit; what other nodes, logs or queues are to be
//! told of a change belongs here.

use crate::domain::RepositoryName;

/// What is raised in the transaction of a write. A backend carries these out itself; no caller can forget one.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::storage) struct Effects {
    /// Users, grants or keys have changed: [`super::Versions::policy_version`] grows.
    pub(in crate::storage) policy: bool,
    /// What can be read of this repository has changed: its [`super::Versions::generation`] grows.
    pub(in crate::storage) repository: Option<RepositoryName>,
    /// Whether it may be committed while the registry is on its way to other storage.
    pub(in crate::storage) even_while_moving: bool,
    /// Something that could be read before is not so any more: where there may be other nodes, the write is reported as done only when
    /// each of them sees it.
    pub(in crate::storage) outdates: bool,
}

impl Effects {
    /// No other node needs to know.
    pub(in crate::storage) const NONE: Self =
        Self { policy: false, repository: None, outdates: false, even_while_moving: false };
    /// Every node reads users, grants and keys again as it needs them.
    pub(in crate::storage) const POLICY: Self = Self { policy: true, ..Self::NONE };
    /// As [`Effects::POLICY`], for token keys: they are drawn by the clock, and the other side draws its own.
    pub(in crate::storage) const KEYS: Self = Self { even_while_moving: true, ..Self::POLICY };

    /// Every node reads this repository again: something was replaced or removed.
    pub(in crate::storage) fn changes(name: RepositoryName) -> Self {
        Self { repository: Some(name), outdates: true, ..Self::NONE }
    }

    /// Something new is in this repository. That something is not there is remembered by no node, so none needs to be waited for.
    pub(in crate::storage) fn adds_to(name: RepositoryName) -> Self {
        Self { repository: Some(name), ..Self::NONE }
    }
}
