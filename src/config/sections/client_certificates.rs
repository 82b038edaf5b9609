//! `[client_certificates]`: certificates as credentials. Whether the files are of any use is seen when they are read.

use std::path::PathBuf;

use crate::config::{
    reader::Keys,
    setting::{Complaint, Setting, choose, quoted},
};
use crate::domain::{AccountPattern, CertificateField, UserRule};

/// The section `[client_certificates]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificates {
    /// What is accepted; `None`: clients are not asked for a certificate.
    pub accepted: Option<AcceptedCertificates>,
}

/// Whose certificates count, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedCertificates {
    /// PEM file with one CA or more.
    pub ca: PathBuf,
    /// Lists of revoked certificates, PEM or DER.
    pub crls: Vec<PathBuf>,
    /// Whom a certificate names.
    pub rule: UserRule,
    /// Whether a connection without a certificate is refused.
    pub required: bool,
}

impl ClientCertificates {
    pub(in crate::config) fn read(keys: &mut Keys<'_, '_>) -> Self {
        let ca = keys.get("ca", None);
        let crls = keys.get("crl", Vec::new());
        let rule = UserRule {
            field: keys.get("user", CertificateField::SubjectCommonName),
            pattern: keys.get("pattern", AccountPattern::whole()),
        };
        let required = keys.get("required", false);
        let Some(ca) = ca else {
            if required {
                keys.refuse(
                    "required",
                    "client_certificates.ca is missing, without which no client is asked for a certificate",
                );
            }
            return Self { accepted: None };
        };
        Self { accepted: Some(AcceptedCertificates { ca, crls, rule, required }) }
    }
}

impl Setting for CertificateField {
    const EXPECTED: &'static str = r#""subject-cn", "san-email", "san-dns" or "san-uri""#;

    fn parse(text: &str) -> Result<Self, Complaint> {
        choose(
            text,
            &[
                ("subject-cn", Self::SubjectCommonName),
                ("san-email", Self::SanEmail),
                ("san-dns", Self::SanDns),
                ("san-uri", Self::SanUri),
            ],
        )
    }

    fn to_toml(&self) -> toml::Value {
        let word = match self {
            Self::SubjectCommonName => "subject-cn",
            Self::SanEmail => "san-email",
            Self::SanDns => "san-dns",
            Self::SanUri => "san-uri",
        };
        toml::Value::String(word.to_owned())
    }
}

impl Setting for AccountPattern {
    const EXPECTED: &'static str = r#"a pattern such as "{user}" or "{user}@example.com""#;

    fn parse(text: &str) -> Result<Self, Complaint> {
        text.parse().map_err(|error| Complaint::new(format!("{} is no pattern: it {error}", quoted(text))))
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

    fn read(text: &str) -> Result<Option<AcceptedCertificates>, ConfigErrors> {
        let root = Environment::default().as_root();
        let loaded = Config::parse(Path::new("/etc/p/c.toml"), text.as_bytes(), &Overrides::default(), &root)?;
        Ok(loaded.config.client_certificates.accepted)
    }

    #[test]
    fn a_ca_switches_them_on() {
        assert_eq!(read("").unwrap(), None);
        let text = r#"
            [client_certificates]
            ca = "clients.pem"
            crl = ["/srv/a.crl", "b.crl"]
            user = "san-email"
            pattern = "{user}@example.com"
            required = true
        "#;
        let accepted = read(text).unwrap().unwrap();
        assert_eq!(accepted.ca, Path::new("/etc/p/clients.pem"));
        assert_eq!(accepted.crls, [Path::new("/srv/a.crl"), Path::new("/etc/p/b.crl")]);
        assert_eq!(accepted.rule.field, CertificateField::SanEmail);
        assert_eq!(accepted.rule.pattern.to_string(), "{user}@example.com");
        assert!(accepted.required);
    }

    #[test]
    fn what_would_protect_nothing_is_refused() {
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
