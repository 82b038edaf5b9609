//! Request bodies: how they are received, how slowly they may arrive, and how many may be uploaded at the same time.

pub(super) mod minimum_rate;
pub(super) mod receive;
pub(super) mod upload_limits;
