//! `[acme]`: a certificate from a public authority, ordered and renewed by Portcullis itself (RFC 8555).

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use crate::config::{
    checks::{each, text, unless_none},
    definition::settings,
    setting::quoted,
    word::Word,
};

settings! {
    /// The section `[acme]`. It is switched on by `directory`; the names of the certificate are then those of `server.hosts`:
    /// at least one, none of them a loopback name of this machine.
    AcmeSettings {
        /// The address of an authority that issues certificates by ACME, such as
        /// "https://acme-v02.api.letsencrypt.org/directory". The certificate is then ordered for all of server.hosts (names
        /// and addresses), replaces an imported one, and is renewed by itself; until the first one arrives, the registry's
        /// own is served. `portcullis cert request` orders at once and says what is wrong. "none": no ACME.
        directory: Option<String> = None, unless_none(text(https_address));

        /// Mail addresses that the authority may write to, such as ["ops@example.com"].
        contact: Vec<String> = Vec::new(), each(text(mail_address));

        /// How the authority sees that the names are yours. "tls-alpn-01": it connects to port 443 of each name, which must
        /// lead to this registry's own port; nothing else is needed. "http-01": it connects to port 80 of each name, which
        /// must lead to http_listen.
        challenge: AcmeChallenge = AcmeChallenge::TlsAlpn01;

        /// Address and port for the plain HTTP of "http-01"; all other requests there are redirected to https.
        http_listen: SocketAddr = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 80));

        /// The kind of certificate, by the authority's name for it; Let's Encrypt issues certificates for addresses only with
        /// "shortlived". "none": the authority's default.
        profile: Option<String> = None;

        /// A file (PEM) with the roots by which the ACME server itself is trusted, for an authority of your own. "none": the
        /// public ones.
        directory_ca: Option<PathBuf> = None;

        /// If the authority wants the account bound to one that you already have there: the name of the key that it gave
        /// you. Set it together with eab_key_file.
        eab_kid: Option<String> = None;

        /// A file with that key (base64url), which only Portcullis can read.
        eab_key_file: Option<PathBuf> = None;

        /// Whether you agree to the authority's terms of service. Without it nothing is ordered.
        terms_agreed: bool = false;
    }
}

/// How control over a name is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcmeChallenge {
    /// By a TLS handshake on the registry's own port (RFC 8737).
    TlsAlpn01,
    /// By a file over plain HTTP (RFC 8555, section 8.3).
    Http01,
}

impl Word for AcmeChallenge {
    const WORDS: &'static [(&'static str, Self)] = &[("tls-alpn-01", Self::TlsAlpn01), ("http-01", Self::Http01)];
}

/// External account binding (RFC 8555, section 7.3.4). The file is not read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExternalAccount<'s> {
    /// The key's name, from the authority.
    pub kid: &'s str,
    /// The file with the key as the authority shows it: base64url.
    pub key_file: &'s Path,
}

impl AcmeSettings {
    /// Whether certificates are ordered.
    pub(crate) fn is_enabled(&self) -> bool {
        self.directory.is_some()
    }

    /// An account with the authority that ours is bound to.
    pub(crate) fn external_account(&self) -> Option<ExternalAccount<'_>> {
        let (kid, key_file) = (self.eab_kid.as_deref()?, self.eab_key_file.as_deref()?);
        Some(ExternalAccount { kid, key_file })
    }
}

fn https_address(text: &str) -> Result<(), String> {
    let parsed = text.parse::<http::Uri>().ok();
    let has_user = |uri: &http::Uri| uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    match parsed {
        // Not quoted: the address is logged and printed, a secret must not be.
        Some(uri) if has_user(&uri) => {
            Err("the address contains a user or a password before `@`, which ACME does not use: \
             remove them, and set acme.eab_kid and acme.eab_key_file if the authority wants an account of its own"
                .to_owned())
        }
        Some(uri) if uri.scheme_str() == Some("https") && uri.host().is_some_and(|host| !host.is_empty()) => Ok(()),
        _ => Err(format!(
            "{} is not an https address such as \"https://acme-v02.api.letsencrypt.org/directory\"",
            quoted(text)
        )),
    }
}

fn mail_address(text: &str) -> Result<(), String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains([',', '?', ':']);
    if plain && text.split('@').filter(|part| !part.is_empty()).count() == 2 {
        return Ok(());
    }
    Err(format!("{} is not a mail address such as \"ops@example.com\"", quoted(text)))
}
