//! The page at `/`: one file of HTML without a script, and the same as text for those who ask for no HTML.
//!
//! Everything that is filled in is escaped by the template; the style is the only thing that a browser is allowed to use, by its
//! hash.

use std::fmt::Write;
use std::sync::LazyLock;

use askama::Template;
use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::domain::net::host_port::HostPort;
use crate::http::request::headers::value;
use crate::http::{PublishedAuthority, ServedCertificate};
use crate::trust::command::{program_line, self_contained_line, short_line};

/// The port of an image reference without one.
pub(in crate::http) const DEFAULT_PORT: u16 = 443;
const STYLE: &str = include_str!("index.css");

/// Nothing but the page's own style, by its hash; in no frame of anybody.
pub(in crate::http) static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    value(format!(
        "default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ))
});

/// What the page says to a visitor who used this host name.
#[derive(Template)]
#[template(path = "index.html", config = "src/http/web/page/askama.toml")]
pub(in crate::http) struct Page {
    /// As image references begin.
    host: String,
    /// How to trust the registry; `None` where its certificate comes from an authority that it does not own.
    trust: Option<Trust>,
    /// The names that the certificate is for, where `host` is not one of them: then no client can use the registry by it.
    other_names: Option<String>,
    style: &'static str,
}

struct Trust {
    sha256: String,
    program: String,
    shell: String,
    self_contained: String,
    constrained: bool,
}

impl Page {
    /// The page for those who call the registry `host`.
    pub(in crate::http) fn new(
        host: &HostPort,
        authority: Option<&PublishedAuthority>,
        served: &ServedCertificate,
    ) -> Self {
        let address = host.with_default_port(DEFAULT_PORT);
        let other_names = (authority.is_some() && !served.is_for(host.host())).then(|| served.names.join(", "));
        let trust = authority.filter(|_| other_names.is_none()).map(|authority| {
            let trusted = authority.trusted_as(&address);
            Trust {
                sha256: authority.sha256.clone(),
                program: program_line(&host.to_string(), &authority.sha256),
                shell: short_line(&trusted),
                self_contained: self_contained_line(&trusted),
                constrained: authority.constrained,
            }
        });
        Self { host: host.to_string(), trust, other_names, style: STYLE }
    }

    /// The page without HTML.
    pub(in crate::http) fn to_text(&self) -> String {
        let host = &self.host;
        let mut text = format!(
            "This is a registry for container images, served by Portcullis.\n\n\
             \x20 docker login {host}\n\
             \x20 docker pull {host}/REPOSITORY:TAG\n"
        );
        if let Some(trust) = &self.trust {
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "\nIf your client says that the certificate is signed by an unknown authority: the registry has its own authority (CA).\n\
                 The administrator of the registry can tell you whether this line is the right one (`portcullis ca trust-command`):\n\n\
                 \x20 {}\n\n\
                 It runs the registry's script only if that has the SHA-256 in the line; `sh t --undo` undoes it. Without sudo it\n\
                 serves the rootless tools of your user. Where Portcullis is installed, run as root, with the SHA-256 of the CA\n\
                 that the administrator gave you:\n\n\
                 \x20 {}\n",
                trust.shell, trust.program
            );
        }
        if let Some(names) = &self.other_names {
            let _ = write!(
                text,
                "\nThe certificate of this registry is not for {host}. If a client refuses it, use one of these names: {names}\n"
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> PublishedAuthority {
        PublishedAuthority { pem: "PEM".into(), sha256: "0a".repeat(32), constrained: true }
    }

    fn served() -> ServedCertificate {
        let names = ["registry.test", "::1"].map(str::to_owned).to_vec();
        ServedCertificate { names, not_after: String::new(), days_left: 90, warning: None }
    }

    #[test]
    fn a_host_without_a_port_is_trusted_under_both_spellings() {
        let page = Page::new(&"registry.test".parse().unwrap(), Some(&authority()), &served());
        let html = page.render().unwrap();
        assert!(html.contains("docker login registry.test<"), "{html}");
        assert!(html.contains("for n in registry.test registry.test:443;"), "{html}");
        assert!(page.to_text().contains(&format!("portcullis trust registry.test --ca-sha256 {}", "0a".repeat(32))));
    }

    #[test]
    fn a_name_that_no_client_accepts_gets_no_line_but_the_names_to_use() {
        let page = Page::new(&"other.test:5000".parse().unwrap(), Some(&authority()), &served());
        let (html, text) = (page.render().unwrap(), page.to_text());
        assert!(!html.contains("portcullis trust") && !text.contains("portcullis trust"), "{html}");
        assert!(html.contains("registry.test, ::1") && text.contains("registry.test, ::1"), "{text}");
        let by_address = Page::new(&"[0:0::1]:5000".parse().unwrap(), Some(&authority()), &served());
        assert!(by_address.to_text().contains("trust/1"), "an address has several spellings");
    }

    #[test]
    fn what_is_filled_in_is_escaped() {
        let page = Page {
            host: "<script>alert(1)</script>".to_owned(),
            trust: Some(Trust {
                sha256: "\"><img src=x>".into(),
                program: "a & b".into(),
                shell: "'<b>".into(),
                self_contained: "<b>".into(),
                constrained: false,
            }),
            other_names: Some("<b>".into()),
            style: STYLE,
        };
        let html = page.render().unwrap();
        for raw in ["<script", "<img", "<b>", "a & b"] {
            assert!(!html.contains(raw), "{raw} in {html}");
        }
    }

    #[test]
    fn a_public_certificate_needs_no_trust() {
        let page = Page::new(&"registry.test:5000".parse().unwrap(), None, &served());
        let (html, text) = (page.render().unwrap(), page.to_text());
        assert!(!html.contains("portcullis trust") && !html.contains("ca.pem") && !text.contains("SHA-256"), "{html}");
        assert!(html.contains("docker login registry.test:5000"));
    }
}
