//! `[client_certificates]`: certificates as credentials. Whether the files are usable is seen when they are read.

use std::path::PathBuf;

use crate::config::{
    definition::settings,
    setting::{Setting, ValueError, quoted},
    word::Word,
};
use crate::domain::{AccountPattern, CertificateField, UserRule};

settings! {
    /// The section `[client_certificates]`. It is switched on by `ca`.
    ClientCertificateSettings {
        /// Client certificates as credentials (mutual TLS). A PEM file with the CA, or several, that signs them; "none":
        /// clients are not asked for a certificate. A client that presents one that such a CA signed for client
        /// authentication is the user that the certificate names, with all rights of that user and without a password. Name
        /// and password, or a token, in a request come before the certificate. Docker, podman and skopeo present client.cert
        /// and client.key from their certs.d directory; `docker login` then changes nothing. This file and the lists below
        /// are watched: a new one takes effect within a second, also on open connections, and without a restart. An invalid
        /// one is refused, the log says why, and the one in use stays.
        ca: Option<PathBuf> = None;

        /// The lists of revoked certificates (CRL), PEM or DER, such as ["/etc/portcullis/clients.crl"]. The certificates of
        /// a CA that has a list here are looked up in it; those of other CAs are not. Replace a list before the date of its
        /// next update: after it, every certificate that the list is about is refused. A token that was fetched with a
        /// certificate before it was revoked is valid until its own expiry (auth.token_lifetime); `portcullis user disable`
        /// invalidates that, too.
        crl: Vec<PathBuf> = Vec::new();

        /// Which part of the certificate names the user: "subject-cn" (the common name), or, among the alternative names,
        /// "san-email", "san-dns" or "san-uri". A certificate that names no user, or more than one, is not a credential.
        /// Users must exist: portcullis user add.
        user: CertificateField = CertificateField::SubjectCommonName;

        /// How the name appears in that part, with {user} for the name: "{user}@example.com", "{user}.users.example.com",
        /// "spiffe://example.com/{user}". Upper and lower case differ.
        pattern: AccountPattern = AccountPattern::whole();

        /// Whether every client must present a certificate: then browsers, health checks of a load balancer and the download
        /// of the CA (`portcullis trust`, `ca trust-command`) are refused without one; `portcullis health` then only sees
        /// that the server is there. "false" lets everyone else log in as usual.
        required: bool = false;
    }
}

impl ClientCertificateSettings {
    /// Whether a connection without a certificate is refused.
    pub(crate) fn are_required(&self) -> bool {
        self.ca.is_some() && self.required
    }

    /// Whom a certificate names.
    pub(crate) fn rule(&self) -> UserRule {
        UserRule { field: self.user, pattern: self.pattern.clone() }
    }
}

impl Word for CertificateField {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("subject-cn", Self::SubjectCommonName),
        ("san-email", Self::SanEmail),
        ("san-dns", Self::SanDns),
        ("san-uri", Self::SanUri),
    ];
}

impl Setting for AccountPattern {
    const EXPECTED: &'static str = r#"a pattern such as "{user}" or "{user}@example.com""#;

    fn parse(text: &str) -> Result<Self, ValueError> {
        text.parse().map_err(|error| ValueError::new(format!("invalid pattern {}: it {error}", quoted(text))))
    }

    fn to_toml(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, ConfigErrors, Environment, Overrides};

    fn read(text: &str) -> Result<ClientCertificateSettings, ConfigErrors> {
        let root = Environment::default().as_root();
        let loaded = Config::parse(Path::new("/etc/p/c.toml"), text.as_bytes(), &Overrides::default(), &root)?;
        Ok(loaded.config.client_certificates)
    }

    #[test]
    fn a_ca_switches_them_on() {
        assert_eq!(read("").unwrap().ca, None);
        let text = r#"
            [client_certificates]
            ca = "clients.pem"
            crl = ["/srv/a.crl", "b.crl"]
            user = "san-email"
            pattern = "{user}@example.com"
            required = true
        "#;
        let accepted = read(text).unwrap();
        assert_eq!(accepted.ca.as_deref(), Some(Path::new("/etc/p/clients.pem")));
        assert_eq!(accepted.crl, [Path::new("/srv/a.crl"), Path::new("/etc/p/b.crl")]);
        assert_eq!(accepted.rule().field, CertificateField::SanEmail);
        assert_eq!(accepted.rule().pattern.to_string(), "{user}@example.com");
        assert!(accepted.are_required());
    }

    #[test]
    fn settings_that_protect_nothing_are_refused() {
        for (line, said) in [
            ("required = true", "client_certificates.ca is missing"),
            ("ca = \"a.pem\"\npattern = \"alice\"", "exactly once"),
            ("ca = \"a.pem\"\nuser = \"email\"", "san-email"),
        ] {
            let text = read(&format!("[client_certificates]\n{line}\n")).unwrap_err().to_string();
            assert!(text.contains(said), "{line}: {text}");
        }
    }
}
