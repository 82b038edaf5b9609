//! Who is charged for what requests take up: memory, places among the uploads, open upload sessions.

use std::fmt;
use std::net::IpAddr;

use crate::domain::{AccountName, Network};

/// An account, or the network of a client that has not logged in: each has a share of its own, so that no one can take it all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A client that has logged in, from any address.
    Account(AccountName),
    /// Everyone else, by address.
    Network(Network),
}

impl Owner {
    /// The account, or the network of the address.
    pub fn of(account: Option<&AccountName>, address: IpAddr) -> Self {
        account.map_or_else(|| Self::Network(Network::of(address)), |account| Self::Account(account.clone()))
    }

    /// Whether this is a client that has not logged in.
    pub fn is_anonymous(&self) -> bool {
        matches!(self, Self::Network(_))
    }
}

/// As upload sessions are stored: `user:alice`, `address:192.0.2.1`.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => write!(f, "user:{account}"),
            Self::Network(network) => write!(f, "address:{network}"),
        }
    }
}
