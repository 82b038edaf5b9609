//! How a bucket is reached.

use std::net::IpAddr;

use ipnet::IpNet;
use zeroize::Zeroizing;

/// A bucket, and what is needed to use it.
#[derive(Clone)]
pub struct S3Options {
    /// `https://HOST[:PORT]`; `None`: Amazon S3 in the region.
    pub endpoint: Option<String>,
    /// The bucket, which exists.
    pub bucket: String,
    /// What the names of all objects begin with; may be empty.
    pub prefix: String,
    /// The region that requests are signed for.
    pub region: String,
    /// Whether the bucket is named in the path instead of the host name.
    pub path_style: bool,
    /// The CAs (PEM) that are trusted instead of the system's.
    pub authorities: Option<Vec<u8>>,
    /// `None`: those of the environment, a web identity, the container or the instance.
    pub credentials: Option<S3Credentials>,
    /// The length of every part of an upload but the last, in bytes.
    pub part_size: u64,
    /// How many bytes the parts of all uploads may take in memory.
    pub upload_memory: u64,
    /// Which clients get contents from the object store itself; `None`: no client.
    pub redirect: Option<S3Redirect>,
}

/// An access key.
#[derive(Clone)]
pub struct S3Credentials {
    /// Its id.
    pub id: String,
    /// The secret.
    pub secret: Zeroizing<String>,
}

/// How clients reach the object store.
#[derive(Clone)]
pub struct S3Redirect {
    /// `https://HOST[:PORT]`.
    pub endpoint: String,
    /// Who is sent there.
    pub audience: Audience,
}

/// Clients, by their addresses.
#[derive(Clone, Debug)]
pub enum Audience {
    /// All.
    Everyone,
    /// Those of these networks.
    Networks(Vec<IpNet>),
}

impl Audience {
    /// Whether the client at this address is one of them.
    pub(super) fn includes(&self, client: Option<IpAddr>) -> bool {
        match (self, client.map(|address| address.to_canonical())) {
            (Self::Everyone, _) => true,
            (Self::Networks(networks), Some(client)) => networks.iter().any(|network| network.contains(&client)),
            (Self::Networks(_), None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_apart_by_their_networks() {
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().expect("a network"));
        let audience = Audience::Networks(networks.to_vec());
        for (address, included) in
            [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("fd00::1", true), ("11.0.0.1", false)]
        {
            assert_eq!(audience.includes(Some(address.parse().expect("an address"))), included, "{address}");
        }
        assert!(!audience.includes(None) && Audience::Everyone.includes(None));
    }
}
