//! What a new account may be called.

use crate::admin::AdminError;
use crate::domain::AccountName;

/// Refuses the name of a new account if it has another meaning.
pub(crate) fn admit_name(name: &AccountName) -> Result<(), AdminError> {
    if name.is_reserved() { Err(AdminError::ReservedName(name.clone())) } else { Ok(()) }
}
