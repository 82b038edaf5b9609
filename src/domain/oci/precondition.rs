//! What a request demands of a tag before it is moved.

use super::digest::Digest;

/// A condition on a tag, checked in the transaction that moves it (RFC 9110, section 13.1: If-Match, If-None-Match).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// None.
    #[default]
    Always,
    /// The tag points to one of these manifests now.
    PointsToAny(Vec<Digest>),
    /// The tag exists, whatever it points to.
    Exists,
    /// The tag does not exist yet.
    Absent,
}
