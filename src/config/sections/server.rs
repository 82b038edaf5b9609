//! `[server]`: where Portcullis listens, and how long and how often a client may keep it busy.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use ipnet::IpNet;

use crate::config::duration::{hours, minutes, seconds};
use crate::config::reader::Keys;
use crate::config::{ByteSize, PublicUrl, WebOrigin};
use crate::domain::net::HostName;

/// The section `[server]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Address and port for HTTPS; port 0 lets the system choose one.
    pub listen: SocketAddr,
    /// Names and addresses that clients use, for the certificate; empty: the machine's own.
    pub hosts: Vec<HostName>,
    /// Open connections in all, at least 1.
    pub max_connections: u32,
    /// Open connections of one address (of one /64 in IPv6), at least 1.
    pub max_connections_per_address: u32,
    /// HTTP/2 streams of one connection, at least 1.
    pub max_streams_per_connection: u32,
    /// Requests under way at once in all, at least 16; one address has half of them.
    pub max_requests: u32,
    /// From the first byte of a connection to the end of its TLS handshake.
    pub handshake_timeout: Duration,
    /// From the first byte of a request to the end of its header.
    pub header_timeout: Duration,
    /// How long a connection may be idle between two requests.
    pub keep_alive: Duration,
    /// How long a transfer may stand still.
    pub idle_timeout: Duration,
    /// The bytes per second that the body of a request must come with, on average; none is asked for where this is 0.
    pub minimum_rate: ByteSize,
    /// How long transfers may go on after SIGTERM.
    pub drain_timeout: Duration,
    /// Proxies whose `Forwarded` and `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether these proxies begin each connection with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// The address that clients use, whatever a request says.
    pub public_url: Option<PublicUrl>,
    /// Origins of other sites whose pages may read answers.
    pub cors_origins: Vec<WebOrigin>,
    /// A text for everybody who uses the registry: 1 to 1000 printable ASCII characters, fit for a quoted string.
    pub notice: Option<String>,
}

impl Server {
    pub(in crate::config) fn read(keys: &mut Keys<'_, '_>) -> Self {
        let server = Self {
            listen: keys.get("listen", SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5000))),
            hosts: keys.get("hosts", Vec::new()),
            max_connections: keys.within("max_connections", 8192, 1..=1_000_000),
            max_connections_per_address: keys.within("max_connections_per_address", 2048, 1..=1_000_000),
            max_streams_per_connection: keys.within("max_streams_per_connection", 128, 1..=10_000),
            max_requests: keys.within("max_requests", 4096, 16..=1_000_000),
            handshake_timeout: keys.within("handshake_timeout", seconds(8), seconds(1)..=minutes(5)),
            header_timeout: keys.within("header_timeout", seconds(8), seconds(1)..=minutes(5)),
            keep_alive: keys.within("keep_alive", seconds(75), seconds(1)..=hours(1)),
            idle_timeout: keys.within("idle_timeout", seconds(60), seconds(5)..=hours(1)),
            minimum_rate: keys.within("minimum_rate", ByteSize::kib(1), ByteSize::from_bytes(0)..=ByteSize::mib(1)),
            drain_timeout: keys.within("drain_timeout", seconds(30), seconds(0)..=hours(24)),
            trusted_proxies: keys.get("trusted_proxies", Vec::new()),
            proxy_protocol: keys.get("proxy_protocol", false),
            public_url: keys.get("public_url", None),
            cors_origins: keys.get("cors_origins", Vec::new()),
            notice: keys.checked("notice", None, fits_a_quoted_string),
        };
        // The header of the PROXY protocol is read from trusted proxies alone.
        if server.proxy_protocol && server.trusted_proxies.is_empty() {
            keys.refuse("proxy_protocol", "server.trusted_proxies is missing: set it to the addresses of the proxies");
        }
        server
    }
}

/// What may stand in a quoted string without an escape (RFC 9110, section 5.6.4).
#[expect(clippy::ref_option, reason = "it checks a value of the key's type, and that is an Option")]
fn fits_a_quoted_string(notice: &Option<String>) -> Result<(), String> {
    let plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    match notice {
        Some(text) if !(1..=1000).contains(&text.len()) || !text.bytes().all(plain) => {
            Err("takes 1 to 1000 plain ASCII characters without quotes and backslashes".to_owned())
        }
        _ => Ok(()),
    }
}
