//! What the server tells its operator: the log, and what keeps it from growing without bound.

pub(crate) mod log;
mod log_limit;
