//! The name constraints of a CA certificate (RFC 5280 section 4.2.1.10), read as TLS libraries will apply them.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, GeneralSubtree};

/// Permitted and excluded names. A kind of name without a permitted entry is limited by exclusions alone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NameConstraints {
    /// No constraints at all.
    Unlimited,
    /// Constraints that are there and cannot be read: they permit nothing.
    Unreadable,
    /// These.
    Limited {
        /// Within one of these, for kinds that are named.
        permitted: Vec<Base>,
        /// And within none of these.
        excluded: Vec<Base>,
    },
}

/// The base of a subtree. Kinds that name no host are not kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// A host and all below it; empty for every host.
    Dns(String),
    /// A network.
    Network(IpNet),
}

impl NameConstraints {
    /// What the certificate says.
    pub(crate) fn of(certificate: &X509Certificate<'_>) -> Self {
        let bases = |subtrees: Option<&Vec<GeneralSubtree<'_>>>| {
            subtrees.into_iter().flatten().filter_map(|subtree| base(&subtree.base).transpose()).collect()
        };
        match certificate.name_constraints() {
            Ok(None) => Self::Unlimited,
            Err(_) => Self::Unreadable,
            Ok(Some(extension)) => {
                let permitted: Result<_, Malformed> = bases(extension.value.permitted_subtrees.as_ref());
                let excluded = bases(extension.value.excluded_subtrees.as_ref());
                match (permitted, excluded) {
                    (Ok(permitted), Ok(excluded)) => Self::Limited { permitted, excluded },
                    _ => Self::Unreadable,
                }
            }
        }
    }

    /// Whether a certificate for the host, which is an address where `ip` is given, would be accepted under this CA.
    pub(crate) fn permit(&self, host: &str, ip: Option<IpAddr>) -> bool {
        let (permitted, excluded) = match self {
            Self::Unlimited => return true,
            Self::Unreadable => return false,
            Self::Limited { permitted, excluded } => (permitted, excluded),
        };
        let mut of_kind = permitted.iter().filter(|base| base.is_of_kind(ip)).peekable();
        let is_permitted = of_kind.peek().is_none() || of_kind.any(|base| base.holds(host, ip));
        is_permitted && !excluded.iter().any(|base| base.holds(host, ip))
    }

    /// Whether it can sign for nothing but some hosts: host names, IPv4 and IPv6 addresses are each either limited to entries or
    /// excluded as a whole. Libraries do not limit a kind without an entry, and some count the two families as one kind; so each
    /// counts for itself here. An entry that is wider than the widest private network limits nothing worth the name.
    pub(crate) fn is_bound(&self) -> bool {
        let Self::Limited { permitted, excluded } = self else { return matches!(self, Self::Unreadable) };
        let is_bound = |of_kind: fn(&Base) -> bool| {
            let has_entry = permitted.iter().any(of_kind);
            let none_is_wide = !permitted.iter().any(|base| of_kind(base) && base.is_wide());
            has_entry && none_is_wide || excluded.iter().any(|base| of_kind(base) && base.is_everything())
        };
        is_bound(|base| matches!(base, Base::Dns(_)))
            && is_bound(|base| matches!(base, Base::Network(IpNet::V4(_))))
            && is_bound(|base| matches!(base, Base::Network(IpNet::V6(_))))
    }
}

impl Base {
    fn is_of_kind(&self, ip: Option<IpAddr>) -> bool {
        matches!(self, Self::Network(_)) == ip.is_some()
    }

    /// Every host name, or every address of a family.
    fn is_everything(&self) -> bool {
        match self {
            Self::Dns(base) => base.is_empty(),
            Self::Network(network) => network.prefix_len() == 0,
        }
    }

    /// Wider than `10.0.0.0/8` and `fc00::/7`, or every host name.
    fn is_wide(&self) -> bool {
        match self {
            Self::Dns(base) => base.is_empty(),
            Self::Network(IpNet::V4(network)) => network.prefix_len() < 8,
            Self::Network(IpNet::V6(network)) => network.prefix_len() < 7,
        }
    }

    fn holds(&self, host: &str, ip: Option<IpAddr>) -> bool {
        match (self, ip) {
            (Self::Network(network), Some(ip)) => network.contains(&ip),
            (Self::Dns(base), None) => {
                let host = host.trim_end_matches('.');
                base.is_empty() || host.strip_suffix(base.as_str()).is_some_and(|r| r.is_empty() || r.ends_with('.'))
            }
            _ => false,
        }
    }
}

impl fmt::Display for NameConstraints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("every name"),
            Self::Unreadable => f.write_str("nothing: they are malformed"),
            Self::Limited { permitted, .. } if permitted.is_empty() => f.write_str("what they do not exclude"),
            Self::Limited { permitted, .. } => {
                // The texts come from a certificate with the pinned hash, but may still hold what a terminal obeys.
                let names = permitted.iter().map(|base| match base {
                    Base::Dns(name) => name.escape_default().to_string(),
                    Base::Network(network) if network.prefix_len() == network.max_prefix_len() => {
                        network.addr().to_string()
                    }
                    Base::Network(network) => network.to_string(),
                });
                f.write_str(&names.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// An entry that is neither a name nor a network.
struct Malformed;

fn base(name: &GeneralName<'_>) -> Result<Option<Base>, Malformed> {
    match name {
        GeneralName::DNSName(host) => Ok(Some(Base::Dns(host.trim_start_matches('.').to_ascii_lowercase()))),
        GeneralName::IPAddress(bytes) => network(bytes).map(|network| Some(Base::Network(network))).ok_or(Malformed),
        _ => Ok(None),
    }
}

/// An address and its mask, one after the other.
fn network(bytes: &[u8]) -> Option<IpNet> {
    let (ip, mask) = bytes.split_at_checked(bytes.len() / 2)?;
    IpNet::with_netmask(address(ip)?, address(mask)?).ok()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permit(constraints: &NameConstraints, host: &str) -> bool {
        constraints.permit(host, host.parse().ok())
    }

    #[test]
    fn constraints_hold_as_libraries_apply_them() {
        let dns = |text: &str| Base::Dns(text.to_owned());
        let net = |text: &str| Base::Network(text.parse().unwrap());
        let constraints =
            NameConstraints::Limited { permitted: vec![dns("r.test")], excluded: vec![net("0.0.0.0/0"), net("::/0")] };
        assert!(permit(&constraints, "r.test") && permit(&constraints, "a.r.test"));
        assert!(
            !permit(&constraints, "xr.test") && !permit(&constraints, "10.0.0.1") && !permit(&constraints, "fd00::1")
        );
        let constraints = NameConstraints::Limited { permitted: vec![net("10.0.0.0/8")], excluded: vec![dns("")] };
        assert!(permit(&constraints, "10.1.2.3"));
        assert!(!permit(&constraints, "11.0.0.1") && !permit(&constraints, "r.test"));
        let constraints = NameConstraints::Limited { permitted: vec![dns("r.test")], excluded: vec![] };
        assert!(permit(&constraints, "10.0.0.1"), "a kind that is not named is not limited");
        assert!(permit(&NameConstraints::Unlimited, "r.test") && !permit(&NameConstraints::Unreadable, "r.test"));
    }

    #[test]
    fn bound_is_only_what_leaves_no_kind_of_name_open() {
        let dns = |text: &str| Base::Dns(text.to_owned());
        let net = |text: &str| Base::Network(text.parse().unwrap());
        let is_bound =
            |permitted: Vec<Base>, excluded: Vec<Base>| NameConstraints::Limited { permitted, excluded }.is_bound();
        let all = || vec![net("0.0.0.0/0"), net("::/0")];
        assert!(is_bound(vec![dns("r.test")], all()));
        assert!(is_bound(vec![dns("r.test"), net("10.0.0.5/32"), net("::1/128")], vec![]));
        assert!(is_bound(vec![net("10.0.0.0/8")], vec![dns(""), net("::/0")]));
        assert!(!is_bound(vec![dns("r.test")], vec![]), "addresses are open");
        assert!(!is_bound(vec![dns("r.test")], vec![net("0.0.0.0/0")]), "IPv6 is open");
        assert!(!is_bound(vec![dns("r.test"), net("10.0.0.5/32")], vec![]), "IPv6 is open to some libraries");
        assert!(!is_bound(vec![net("10.0.0.5/32")], vec![net("::/0")]), "host names are open");
        assert!(!is_bound(vec![dns("")], all()), "every name");
        assert!(!is_bound(vec![dns("r.test"), net("0.0.0.0/0"), net("::1/128")], vec![]), "every address");
        assert!(!is_bound(vec![dns("r.test"), net("0.0.0.0/1"), net("128.0.0.0/1")], vec![net("::/0")]), "in halves");
        assert!(!is_bound(vec![], vec![dns("elsewhere.test")]));
        assert!(!NameConstraints::Unlimited.is_bound() && NameConstraints::Unreadable.is_bound());
    }
}
