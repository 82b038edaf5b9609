//! A registry on its way to other storage: pulls continue, changes are refused. The database decides when it commits; what is known here of
//! that spares clients the sending of bodies.

use super::{Registry, RegistryError};
use crate::storage::coordination::MovePhase;

impl Registry {
    /// Reads from the database whether the registry is being moved.
    pub async fn follow_move(&self) -> Result<(), RegistryError> {
        let phase = self.metadata.move_phase().await?;
        if **self.move_phase.load() == phase {
            return Ok(());
        }
        match &phase {
            MovePhase::Settled => {
                tracing::info!("changes are accepted again: the registry is not being moved any more");
            }
            MovePhase::Leaving(to) => tracing::warn!(
                to,
                "the registry is being moved: changes are refused until that has ended. If the command was killed, run the same one \
                 again, or give the registry free: portcullis migrate-storage --release"
            ),
            MovePhase::Left(to) => tracing::warn!(
                to,
                "the registry was moved: changes are refused here, pulls continue. Stop this server, and start it with the new \
                 configuration"
            ),
            MovePhase::Arriving(from) => tracing::warn!(from, "the registry is being filled from another one"),
        }
        self.move_phase.store(phase.into());
        Ok(())
    }
}
