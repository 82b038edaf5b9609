//! What a root of ours may sign for, so that a stolen root harms this registry alone.
//!
//! A kind of name that is not mentioned at all is *unrestricted* to OpenSSL, Go and rustls, so every kind without a name is
//! excluded as a whole: both address families each for itself, and all host names by the empty subtree.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rcgen::{CidrSubnet, GeneralSubtree};
use x509_parser::certificate::X509Certificate;

use super::name_constraints::{Base, NameConstraints};
use super::subject_name::SubjectName;

/// Whether a new root is bound to its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Constraints {
    /// The root signs for the names that it was made with, and for hosts below them.
    ToNames,
    /// The root signs for any name: a host that trusts it does so for the whole internet.
    Unconstrained,
}

/// What an authority may sign for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PermittedNames {
    /// These, and hosts below the host names.
    Only(Vec<SubjectName>),
    /// Every name.
    All,
}

impl PermittedNames {
    /// Whether a certificate for `name` would be accepted under these constraints.
    pub(crate) fn permits(&self, name: &SubjectName) -> bool {
        match self {
            Self::All => true,
            Self::Only(bases) => bases.iter().any(|base| base.covers(name)),
        }
    }

    /// The extension that states these constraints; `None` if there are none.
    pub(crate) fn to_extension(&self) -> Option<rcgen::NameConstraints> {
        let Self::Only(names) = self else { return None };
        let mut excluded = Vec::new();
        if !names.iter().any(|name| matches!(name, SubjectName::Ip(IpAddr::V4(_)))) {
            excluded.push(whole_family(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        }
        if !names.iter().any(|name| matches!(name, SubjectName::Ip(IpAddr::V6(_)))) {
            excluded.push(whole_family(IpAddr::V6(Ipv6Addr::UNSPECIFIED)));
        }
        if !names.iter().any(|name| matches!(name, SubjectName::Dns(_))) {
            excluded.push(GeneralSubtree::DnsName(String::new()));
        }
        let permitted_subtrees = names.iter().map(to_subtree).collect();
        Some(rcgen::NameConstraints { permitted_subtrees, excluded_subtrees: excluded })
    }

    /// What the certificate's constraints permit; malformed ones permit nothing, and so do networks, which this program never writes.
    pub(crate) fn from_certificate(certificate: &X509Certificate<'_>) -> Self {
        match NameConstraints::of(certificate) {
            NameConstraints::Unlimited => Self::All,
            NameConstraints::Unreadable => Self::Only(Vec::new()),
            NameConstraints::Limited { permitted, .. } => Self::Only(permitted.iter().filter_map(to_name).collect()),
        }
    }
}

impl std::fmt::Display for PermittedNames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("every name"),
            Self::Only(names) => {
                let names: Vec<_> = names.iter().map(ToString::to_string).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}

fn whole_family(any: IpAddr) -> GeneralSubtree {
    GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(any, 0))
}

fn to_subtree(name: &SubjectName) -> GeneralSubtree {
    match name {
        SubjectName::Dns(host) => GeneralSubtree::DnsName(host.clone()),
        SubjectName::Ip(IpAddr::V4(ip)) => GeneralSubtree::IpAddress(CidrSubnet::V4(ip.octets(), [0xff; 4])),
        SubjectName::Ip(IpAddr::V6(ip)) => GeneralSubtree::IpAddress(CidrSubnet::V6(ip.octets(), [0xff; 16])),
    }
}

fn to_name(base: &Base) -> Option<SubjectName> {
    match base {
        Base::Dns(host) => host.parse().ok(),
        Base::Network(network) => {
            (network.prefix_len() == network.max_prefix_len()).then_some(SubjectName::Ip(network.addr()))
        }
    }
}
