//! Bodies of requests: how they are read, how slowly they may come, and how many may come at the same time.

pub(super) mod pace;
pub(super) mod places;
pub(super) mod reading;
