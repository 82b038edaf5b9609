//! Who changes something, for the history and the trash.

use super::Registry;
use crate::auth::Authorized;
use crate::storage::metadata::{Cause, Change};

impl Registry {
    /// A change by the holder of this permit.
    pub(super) fn change<P>(&self, permit: &Authorized<P>, cause: Cause) -> Change {
        Change { by: permit.actor().principal().subject(), cause, keep: self.settings.trash.keep }
    }
}
