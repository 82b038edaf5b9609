//! The values of the protocol: names, digests, references. Pure; nothing here does I/O.

pub mod peer_address;
