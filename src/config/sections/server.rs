//! `[server]`: where Portcullis listens, and how long and how often a client may keep it busy.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use ipnet::IpNet;

use crate::config::{
    ByteSize, PublicUrl, WebOrigin,
    checks::{text, unless_none, within},
    definition::settings,
    duration::{hours, minutes, seconds},
};
use crate::domain::net::HostName;

settings! {
    /// The section `[server]`.
    ServerSettings {
        /// Address and port for HTTPS. "0.0.0.0" is every IPv4 address of this machine; "[::]:5000" adds IPv6. Port 443 lets
        /// clients leave out the port, and needs the right to open low ports (CAP_NET_BIND_SERVICE).
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5000));

        /// The names and addresses that clients use to reach this registry, such as
        /// ["registry.example.com", "192.168.1.20"]. The certificate is made for these; localhost, 127.0.0.1 and ::1 are
        /// always in it. Empty: this machine's own host name and addresses. Set it before the first start: the CA can sign
        /// only for the names that were set then, unless tls.constrained is false, and a later name needs
        /// `portcullis ca rotate`.
        hosts: Vec<HostName> = Vec::new();

        /// How many connections may be open at once, in all. More are closed at once. Each connection takes one file
        /// descriptor, and each transfer up to two more; if the limit on open files is too low for that, fewer are served
        /// at once, and a warning at the start says how many.
        max_connections: usize = 8192, within(1..=1_000_000);

        /// How many of these may come from one address (in IPv6: from one /64 network). Raise it if many clients come from
        /// behind one NAT or proxy.
        max_connections_per_address: usize = 2048, within(1..=1_000_000);

        /// How many requests may be under way at once on one HTTP/2 connection.
        max_streams_per_connection: u32 = 128, within(1..=10_000);

        /// How many requests may be under way at once, in all; one address may have half of them. More are answered
        /// "429 Too Many Requests" and tried again by the client.
        max_requests: usize = 4096, within(16..=1_000_000);

        /// How long a client may take for the TLS handshake. Longer times help clients on very slow links, and attackers
        /// who want to keep your connections busy.
        handshake_timeout: Duration = seconds(8), within(seconds(1)..=minutes(5));

        /// How long a client may take for the header of a request that has begun.
        header_timeout: Duration = seconds(8), within(seconds(1)..=minutes(5));

        /// How long a connection may be idle between two requests. HTTP/1.1 clients are told (Keep-Alive). Let a reverse
        /// proxy in front keep its idle connections for a shorter time than this. When nearly all of max_connections are
        /// open, those that have been idle for the longest are closed earlier.
        keep_alive: Duration = seconds(75), within(seconds(1)..=hours(1));

        /// How long a transfer may stall before it is cut off, in either direction. There is no limit for a transfer as a
        /// whole.
        idle_timeout: Duration = seconds(60), within(seconds(5)..=hours(1));

        /// How many bytes per second the body of a request must bring, on average: a slow client may fall behind by
        /// idle_timeout before it is cut off (an interrupted upload can be resumed). "0B": no minimum.
        minimum_rate: ByteSize = ByteSize::kib(1), within(ByteSize::from_bytes(0)..=ByteSize::mib(1));

        /// How long transfers may continue after SIGTERM before they are cut off; new requests are refused in the meantime.
        /// The service manager must wait longer than this before it kills the process (systemd: TimeoutStopSec, Kubernetes:
        /// terminationGracePeriodSeconds, docker stop --time). Nothing that was acknowledged is lost either way.
        drain_timeout: Duration = seconds(30), within(seconds(0)..=hours(24));

        /// How long new connections and requests are still served after SIGTERM, while `/health/ready` says 503 already: as
        /// long as the balancer in front needs to notice and to send clients elsewhere. What only one node does is left
        /// to another at once. "0s", right without a balancer: the end begins at once.
        drain_delay: Duration = seconds(0), within(seconds(0)..=minutes(10));

        /// Networks of the reverse proxies in front, such as ["10.0.0.0/8", "192.168.1.7"]. Only these are trusted to send
        /// X-Forwarded-Host, X-Forwarded-Port and X-Forwarded-Proto, from which the address of the token endpoint is made,
        /// and X-Forwarded-For, which says for whom wrong passwords are counted: a proxy must append the address of its own
        /// client to it. Forwarded (RFC 7239) with host, proto and for is read if the others are missing. A proxy should
        /// write one of X-Forwarded-For and Forwarded and remove the other: if they disagree on the client, the proxy's own
        /// address counts. Empty: no one is trusted, which is right without a proxy.
        trusted_proxies: Vec<IpNet> = Vec::new();

        /// Whether the proxies in trusted_proxies begin each connection with a header of the PROXY protocol, version 1 or 2
        /// (haproxy: send-proxy-v2; nginx: proxy_protocol on, in a stream server), which carries the client's address. With
        /// "true" a connection from there without the header is closed; a header from anywhere else is always refused.
        proxy_protocol: bool = false;

        /// The address that clients use, such as "https://registry.example.com" or "https://registry.example.com:8443", for
        /// a proxy in front that does not pass it on. The token endpoint and the page at / then use it, whatever a request
        /// says. "none": the address that each request was sent to.
        public_url: Option<PublicUrl> = None;

        /// Sites whose pages may read this registry's answers in a browser, such as ["https://ui.example.com"]: scheme, host
        /// and port, no pattern (CORS). Their pages must send a token or password of their own in Authorization; a client
        /// certificate or a password that the browser remembers is never used for them. Empty: no site.
        cors_origins: Vec<WebOrigin> = Vec::new();

        /// A notice to everyone who uses this registry, such as "read-only on Sunday from 6 to 8 UTC"; "none": no notice. It
        /// is sent as a Warning header with every answer of the registry, which clients may show. At most 1000 plain ASCII
        /// characters, without quotes and backslashes.
        notice: Option<String> = None, unless_none(text(fits_a_quoted_string));
    }
}

/// What a quoted string may contain without an escape (RFC 9110, section 5.6.4).
fn fits_a_quoted_string(notice: &str) -> Result<(), String> {
    let plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    if (1..=1000).contains(&notice.len()) && notice.bytes().all(plain) {
        return Ok(());
    }
    Err("expected 1 to 1000 plain ASCII characters without quotes and backslashes".to_owned())
}
