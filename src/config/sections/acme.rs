//! `[acme]`: a certificate from a public authority, ordered and renewed by Portcullis itself (RFC 8555).

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use super::{Server, Tls};
use crate::config::reader::Keys;
use crate::config::setting::{Complaint, Setting, choose, quoted};
use crate::domain::net::HostName;

/// The section `[acme]`, where it is switched on. The names are those of `server.hosts`: at least one, none of them this
/// machine's own loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acme {
    /// The `https` address of the server's directory.
    pub directory: String,
    /// Addresses of mail that the authority may write to; may be empty.
    pub contact: Vec<String>,
    /// How control over the names is shown.
    pub challenge: AcmeChallenge,
    /// Where plain HTTP is answered, with the challenge [`AcmeChallenge::Http01`] alone.
    pub http_listen: SocketAddr,
    /// The profile of the certificate, by the authority's own name for it.
    pub profile: Option<String>,
    /// PEM file with the roots that the ACME server itself is trusted by; `None`: the public ones.
    pub directory_ca: Option<PathBuf>,
    /// An account with the authority that exists already and this one is bound to.
    pub external_account: Option<ExternalAccount>,
}

/// How control over a name is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcmeChallenge {
    /// By a TLS handshake on the registry's own port (RFC 8737).
    TlsAlpn01,
    /// By a file over plain HTTP (RFC 8555, section 8.3).
    Http01,
}

/// External account binding (RFC 8555, section 7.3.4). The file is not looked at here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalAccount {
    /// The key's name, from the authority.
    pub kid: String,
    /// The file with the key as the authority shows it: base64url.
    pub key_file: PathBuf,
}

impl Acme {
    pub(in crate::config) fn read(keys: &mut Keys<'_, '_>, server: &Server, tls: &Tls) -> Option<Self> {
        let directory: Option<String> = keys.checked("directory", None, is_directory);
        let contact = keys.checked("contact", Vec::new(), are_addresses);
        let challenge = keys.get("challenge", AcmeChallenge::TlsAlpn01);
        let http_listen = keys.get("http_listen", SocketAddr::from((Ipv4Addr::UNSPECIFIED, 80)));
        let profile = keys.get("profile", None);
        let directory_ca = keys.get("directory_ca", None);
        let (kid, key_file) = (keys.get("eab_kid", None), keys.get("eab_key_file", None));
        let external_account = external_account(keys, kid, key_file);
        let terms_agreed = keys.get("terms_agreed", false);
        let directory = directory?;
        if !terms_agreed {
            keys.refuse(
                "directory",
                "an authority gives certificates only to those who agree to its terms of service: read them, then set \
                 acme.terms_agreed to true",
            );
        }
        if tls.pair.is_some() {
            keys.refuse(
                "directory",
                "tls.certificate is set as well: a certificate is either yours or ordered by ACME; keep one",
            );
        }
        check_names(keys, &server.hosts);
        Some(Self { directory, contact, challenge, http_listen, profile, directory_ca, external_account })
    }
}

fn check_names(keys: &mut Keys<'_, '_>, hosts: &[HostName]) {
    if hosts.is_empty() {
        keys.refuse("directory", "server.hosts is empty: write there the names that the certificate is for");
    }
    for host in hosts.iter().filter(|host| is_loopback(host)) {
        keys.refuse(
            "directory",
            format!("no authority can reach {host} of server.hosts: remove it there, it is in the registry's own certificate anyway"),
        );
    }
}

fn is_loopback(host: &HostName) -> bool {
    match host {
        HostName::Dns(name) => name == "localhost" || name.ends_with(".localhost"),
        HostName::Address(address) => address.is_loopback() || address.is_unspecified(),
    }
}

fn external_account(
    keys: &mut Keys<'_, '_>,
    kid: Option<String>,
    key_file: Option<PathBuf>,
) -> Option<ExternalAccount> {
    match (kid, key_file) {
        (Some(kid), Some(key_file)) => return Some(ExternalAccount { kid, key_file }),
        (None, None) => {}
        (Some(_), None) => keys.refuse("eab_kid", "acme.eab_key_file is missing: set both or none"),
        (None, Some(_)) => keys.refuse("eab_key_file", "acme.eab_kid is missing: set both or none"),
    }
    None
}

#[expect(clippy::ref_option, reason = "it checks a value of the key's type, and that is an Option")]
fn is_directory(directory: &Option<String>) -> Result<(), String> {
    let Some(text) = directory else { return Ok(()) };
    let parsed = text.parse::<http::Uri>().ok();
    let has_user = |uri: &http::Uri| uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    match parsed {
        // Not quoted: the address is logged and printed, a secret must not be.
        Some(uri) if has_user(&uri) => {
            Err("the address holds a user or a password before `@`, which ACME has no use for: \
             take them out, and give acme.eab_kid and acme.eab_key_file where the authority wants an account of its own"
                .to_owned())
        }
        Some(uri) if uri.scheme_str() == Some("https") && uri.host().is_some_and(|host| !host.is_empty()) => Ok(()),
        _ => Err(format!(
            "{} is not an https address such as \"https://acme-v02.api.letsencrypt.org/directory\"",
            quoted(text)
        )),
    }
}

#[expect(clippy::ptr_arg, reason = "it checks a value of the key's type, and that is a Vec")]
fn are_addresses(contact: &Vec<String>) -> Result<(), String> {
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains([',', '?', ':']);
    match contact.iter().find(|text| !plain(text) || text.split('@').filter(|part| !part.is_empty()).count() != 2) {
        Some(text) => Err(format!("{} is not a mail address such as \"ops@example.com\"", quoted(text))),
        None => Ok(()),
    }
}

impl Setting for AcmeChallenge {
    const EXPECTED: &'static str = r#""tls-alpn-01" or "http-01""#;

    fn parse(text: &str) -> Result<Self, Complaint> {
        choose(text, &[("tls-alpn-01", Self::TlsAlpn01), ("http-01", Self::Http01)])
    }

    fn to_toml(&self) -> toml::Value {
        let word = match self {
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Http01 => "http-01",
        };
        toml::Value::String(word.to_owned())
    }
}
