//! Removes the copies of the database that were made before upgrades, once they have been kept for long enough.

use super::job::{Cause, Failure};
use crate::domain::Clock;
use crate::storage::metadata::sqlite::DatabaseCopies;

pub(super) fn remove_database_copies(
    copies: DatabaseCopies,
    clock: Clock,
) -> impl FnMut(Cause) -> Result<(), Failure> + Send + 'static {
    move |_| {
        let removed = copies.remove_old(clock.now())?;
        if removed > 0 {
            tracing::info!(removed, "removed copies of the database that were made before upgrades");
        }
        Ok(())
    }
}
