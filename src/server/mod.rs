//! The accept loop: TLS, limits, and a graceful end.
