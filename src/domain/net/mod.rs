//! The values of the network: host names and ports, networks, peer addresses, the PROXY header, certificate fingerprints.

pub mod fingerprint;
pub mod host_name;
pub mod host_port;
mod local_address;
pub mod network;
pub mod peer_address;
pub mod proxy_header;

pub use fingerprint::Fingerprint;
pub use host_name::HostName;
pub use host_port::HostPort;
pub(crate) use local_address::local_address;
pub use network::Network;
