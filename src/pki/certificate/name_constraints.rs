//! Name constraints (RFC 5280 section 4.2.1.10): what a root may sign for, so that a stolen root harms this registry alone.
//!
//! A kind of name that is not mentioned at all is *unrestricted* to OpenSSL, Go and rustls, so every kind without a name is
//! excluded as a whole: both address families each for itself, and all host names by the empty subtree.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rcgen::{CidrSubnet, GeneralSubtree, NameConstraints};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::subject_name::SubjectName;

/// Whether a new root is bound to its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Constraints {
    /// The root signs for the names that it was made with, and for hosts below them.
    ToNames,
    /// The root signs for any name: whoever trusts it trusts it for the whole internet.
    Unconstrained,
}

/// What an authority may sign for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermittedNames {
    /// These, and hosts below the host names.
    Only(Vec<SubjectName>),
    /// Every name.
    All,
}

impl PermittedNames {
    /// Whether a certificate for `name` would be accepted under these constraints.
    pub fn permits(&self, name: &SubjectName) -> bool {
        match self {
            Self::All => true,
            Self::Only(bases) => bases.iter().any(|base| base.covers(name)),
        }
    }

    /// The extension that states these constraints; `None` where there are none.
    pub(crate) fn to_extension(&self) -> Option<NameConstraints> {
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
        Some(NameConstraints { permitted_subtrees, excluded_subtrees: excluded })
    }

    /// What the certificate's extension says; a malformed one permits nothing.
    pub(crate) fn from_certificate(certificate: &X509Certificate<'_>) -> Self {
        match certificate.name_constraints() {
            Ok(None) => Self::All,
            Ok(Some(extension)) => {
                let subtrees = extension.value.permitted_subtrees.iter().flatten();
                Self::Only(subtrees.filter_map(|subtree| from_subtree(&subtree.base)).collect())
            }
            Err(_) => Self::Only(Vec::new()),
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

/// Only what [`to_subtree`] writes is read back: whole networks made by another tool permit nothing here.
fn from_subtree(base: &GeneralName<'_>) -> Option<SubjectName> {
    match base {
        GeneralName::DNSName(host) => host.parse().ok(),
        GeneralName::IPAddress(bytes) => match bytes.split_at_checked(bytes.len() / 2)? {
            (ip, [0xff, 0xff, 0xff, 0xff]) => Some(SubjectName::Ip(IpAddr::from(<[u8; 4]>::try_from(ip).ok()?))),
            (ip, mask) if *mask == [0xff; 16] => Some(SubjectName::Ip(IpAddr::from(<[u8; 16]>::try_from(ip).ok()?))),
            _ => None,
        },
        _ => None,
    }
}
