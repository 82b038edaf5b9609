//! Which registry is to be trusted: where it is reached, and under which names tools look for its CA.

use std::net::IpAddr;

use rustls_pki_types::ServerName;

use crate::domain::net::host_port::HostPort;

/// The port of a reference without one, as docker has it.
const DEFAULT_PORT: u16 = 443;

/// A registry as image references name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryAddress {
    parsed: HostPort,
    /// As it was written, in lower case: what references begin with.
    written: String,
    /// `HOST:PORT`, always with a port, IPv6 in brackets.
    address: String,
}

impl From<HostPort> for RegistryAddress {
    fn from(parsed: HostPort) -> Self {
        Self { written: parsed.to_string(), address: parsed.with_default_port(DEFAULT_PORT), parsed }
    }
}

impl RegistryAddress {
    /// `HOST:PORT`, always with its port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// As it was written; the `Host` header and the name in stanzas.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// The directories below `certs.d` that tools look into: exactly what references begin with. An explicit `:443` counts for
    /// references with and without it.
    pub fn directory_names(&self) -> Vec<String> {
        match self.written.strip_suffix(":443") {
            Some(bare) => vec![bare.to_owned(), self.written.clone()],
            None => vec![self.written.clone()],
        }
    }

    /// A file name that no other registry has: `registry.test+5000`. `+` cannot appear in a host name.
    pub(crate) fn file_name(&self) -> String {
        self.address.chars().filter(|c| !matches!(c, '[' | ']')).map(|c| if c == ':' { '+' } else { c }).collect()
    }

    /// The host alone: a name, or an address without brackets.
    pub(crate) fn host(&self) -> &str {
        self.parsed.bare_host()
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.parsed.port().unwrap_or(DEFAULT_PORT)
    }

    /// The host, where it is an address.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.parsed.ip()
    }

    /// What the server's certificate must be for; `None` if the host cannot appear in a certificate.
    pub(crate) fn server_name(&self) -> Option<ServerName<'static>> {
        ServerName::try_from(self.host().to_owned()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> RegistryAddress {
        text.parse::<HostPort>().unwrap().into()
    }

    #[test]
    fn directories_are_what_references_begin_with() {
        assert_eq!(of("r.test:5000").directory_names(), ["r.test:5000"]);
        assert_eq!(of("R.test").directory_names(), ["r.test"]);
        assert_eq!(of("r.test:443").directory_names(), ["r.test", "r.test:443"]);
    }

    #[test]
    fn hosts_and_ports() {
        let v6 = of("[fd00::1]:5000");
        assert_eq!((v6.host(), v6.port(), v6.file_name().as_str()), ("fd00::1", 5000, "fd00++1+5000"));
        assert!(v6.ip().is_some() && v6.server_name().is_some());
        let name = of("r.test");
        assert_eq!((name.host(), name.port(), name.file_name().as_str()), ("r.test", 443, "r.test+443"));
        assert_eq!(name.file_name(), of("r.test:443").file_name(), "the same registry");
    }
}
