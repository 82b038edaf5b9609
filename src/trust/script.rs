//! The script by which another host trusts this registry: served by the registry, pinned by its hash in the line that a person
//! runs, so that nothing runs there but what that line names.
//!
//! A version's template never changes once it was released: lines with its hash are in wikis and in images. What is new goes into a
//! new version, and the old ones stay served.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// The version that new lines name.
pub const CURRENT: u32 = 1;

/// Each version and its template.
const TEMPLATES: &[(u32, &str)] = &[(1, include_str!("script/version_1.sh"))];

/// What the script is filled in with.
#[derive(Debug, Clone, Copy)]
pub struct Trusted<'a> {
    /// `HOST:PORT` as images name the registry, with its port; a text that `HostPort` has parsed.
    pub host: &'a str,
    /// The CA's certificate as PEM.
    pub pem: &'a str,
    /// The SHA-256 of its DER, in lower-case hexadecimal digits.
    pub sha256: &'a str,
    /// Whether the CA can sign for nothing but the registry's names.
    pub constrained: bool,
}

impl Trusted<'_> {
    /// The names under which tools look for the CA: an explicit 443 counts for references with and without it.
    pub(crate) fn names(&self) -> String {
        match self.host.strip_suffix(":443") {
            Some(bare) => format!("{bare} {}", self.host),
            None => self.host.to_owned(),
        }
    }

    /// A file name that no other registry has, as `portcullis trust` has it: `registry.test+5000`.
    pub(crate) fn file_name(&self) -> String {
        self.host.chars().filter(|c| !matches!(c, '[' | ']')).map(|c| if c == ':' { '+' } else { c }).collect()
    }

    /// The text of a version; `None` for a version that never was.
    pub fn script(&self, version: u32) -> Option<String> {
        let template = TEMPLATES.iter().find(|(number, _)| *number == version)?.1;
        // None of these holds a quote: a parsed host, digits, base64 and the armour of PEM.
        let values = [
            ("@REGISTRY@", self.host),
            ("@NAMES@", &self.names()),
            ("@FILE_NAME@", &self.file_name()),
            ("@SHA256@", self.sha256),
            ("@CONSTRAINED@", if self.constrained { "yes" } else { "no" }),
            ("@CERTIFICATE@", self.pem.trim_ascii()),
        ];
        Some(values.iter().fold(template.to_owned(), |text, (place, value)| text.replacen(place, value, 1)))
    }

    /// The SHA-256 of the current version's text, in hexadecimal digits.
    pub fn script_sha256(&self) -> String {
        let text = self.script(CURRENT).unwrap_or_default();
        HEXLOWER.encode(&Sha256::digest(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: Trusted<'static> = Trusted {
        host: "registry.test:443",
        pem: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        sha256: "3f9a",
        constrained: true,
    };

    /// Lines with this hash are out in the world: where this fails, restore the template and make a new version.
    #[test]
    fn version_1_never_changes() {
        assert_eq!(SAMPLE.script_sha256(), "6042957773f0c292880447b4c43a41bc7bd43d1c1071547ef4554e11fbb38721");
        assert_eq!(CURRENT, 1);
    }

    #[test]
    fn every_place_is_filled_in() {
        let text = SAMPLE.script(1).expect("there");
        assert!(text.contains("registry='registry.test:443'\nnames='registry.test registry.test:443'\n"), "{text}");
        assert!(text.contains("file_name='registry.test+443'") && text.contains("constrained='yes'"), "{text}");
        assert!(text.contains("certificate='-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----'\n"));
        assert!(!text.replace("$@", "").contains('@'), "{text}");
        assert!(SAMPLE.script(0).is_none() && SAMPLE.script(2).is_none());
        let v6 = Trusted { host: "[fd00::1]:5000", constrained: false, ..SAMPLE }.script(1).expect("there");
        assert!(v6.contains("file_name='fd00++1+5000'") && v6.contains("constrained='no'"), "{v6}");
    }
}
