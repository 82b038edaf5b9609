//! The header of the PROXY protocol, versions 1 and 2 (haproxy's `doc/proxy-protocol.txt`): for whom a proxy has opened a connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How a header of version 2 begins. No other protocol does.
pub const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// How a header of version 1 begins.
pub const TEXT: &[u8] = b"PROXY ";
/// The longest header of version 1, its line end included.
pub const LONGEST_TEXT: usize = 107;
/// What a header of version 2 has before its addresses.
pub const FIXED: usize = 16;
/// The most that may follow: addresses, and what else a proxy tells (TLS, unique ids).
pub const LONGEST_REST: usize = 4096;

/// Why a header is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyHeaderError {
    /// It begins like neither version.
    #[error("the connection does not begin with a PROXY protocol header")]
    Missing,
    /// It begins well and goes wrong.
    #[error("the PROXY protocol header is invalid")]
    Invalid,
    /// It is about something else than TCP.
    #[error("the PROXY protocol header is not about a TCP connection")]
    NotTcp,
}

use ProxyHeaderError::{Invalid, Missing, NotTcp};

/// The client that a whole header of version 1 names, with its line end; `None` where the proxy does not know.
pub fn parse_text(header: &[u8]) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    let line = header.strip_prefix(TEXT).ok_or(Missing)?.strip_suffix(b"\r\n").ok_or(Invalid)?;
    let line = std::str::from_utf8(line).map_err(|_| Invalid)?;
    let mut words = line.split(' ');
    let family = words.next();
    if family == Some("UNKNOWN") {
        return Ok(None);
    }
    let mut next = || words.next().ok_or(Invalid);
    let (source, target) = (address(next()?)?, address(next()?)?);
    let (port, _) = (port(next()?)?, port(next()?)?);
    let fits = match family {
        Some("TCP4") => source.is_ipv4() && target.is_ipv4(),
        Some("TCP6") => source.is_ipv6() && target.is_ipv6(),
        _ => return Err(NotTcp),
    };
    if !fits || words.next().is_some() {
        return Err(Invalid);
    }
    Ok(Some(SocketAddr::new(source.to_canonical(), port)))
}

/// How many bytes follow the fixed part of a header of version 2.
pub fn rest_of_binary(fixed: &[u8; FIXED]) -> Result<usize, ProxyHeaderError> {
    if !fixed.starts_with(&SIGNATURE) {
        return Err(Missing);
    }
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if fixed[12] >> 4 != 2 || fixed[12] & 0x0f > 1 || length > LONGEST_REST {
        return Err(Invalid);
    }
    Ok(length)
}

/// The client that a header of version 2 names; `None` where the proxy speaks for itself (a health check) or does not know.
pub fn parse_binary(fixed: &[u8; FIXED], rest: &[u8]) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    if rest_of_binary(fixed)? != rest.len() {
        return Err(Invalid);
    }
    match fixed[13] {
        // A local one: the proxy itself asks.
        _ if fixed[12] == 0x20 => Ok(None),
        // Addresses of both ends, then ports of both ends; what follows them is not for us.
        0x11 => {
            let octets: [u8; 4] = bytes(rest, 0)?;
            Ok(Some(SocketAddr::new(Ipv4Addr::from(octets).into(), u16::from_be_bytes(bytes(rest, 8)?))))
        }
        0x21 => {
            let octets: [u8; 16] = bytes(rest, 0)?;
            let source = IpAddr::V6(Ipv6Addr::from(octets)).to_canonical();
            Ok(Some(SocketAddr::new(source, u16::from_be_bytes(bytes(rest, 32)?))))
        }
        0x00 => Ok(None),
        _ => Err(NotTcp),
    }
}

/// `N` bytes from `at` on, where the block is long enough for the address family.
fn bytes<const N: usize>(rest: &[u8], at: usize) -> Result<[u8; N], ProxyHeaderError> {
    rest.get(at..at + N).and_then(|bytes| bytes.try_into().ok()).ok_or(Invalid)
}

fn address(text: &str) -> Result<IpAddr, ProxyHeaderError> {
    text.parse().map_err(|_| Invalid)
}

/// Digits alone, without a leading zero.
fn port(text: &str) -> Result<u16, ProxyHeaderError> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_plain { text.parse().map_err(|_| Invalid) } else { Err(Invalid) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(header: &str) -> Result<Option<String>, ProxyHeaderError> {
        parse_text(header.as_bytes()).map(|client| client.map(|client| client.to_string()))
    }

    fn binary(command: u8, family: u8, rest: &[u8]) -> Result<Option<String>, ProxyHeaderError> {
        let mut fixed = [0; FIXED];
        fixed[..12].copy_from_slice(&SIGNATURE);
        fixed[12] = command;
        fixed[13] = family;
        fixed[14..].copy_from_slice(&u16::try_from(rest.len()).unwrap().to_be_bytes());
        parse_binary(&fixed, rest).map(|client| client.map(|client| client.to_string()))
    }

    #[test]
    fn version_1_names_the_client() {
        assert_eq!(text("PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n"), Ok(Some("192.0.2.7:56324".to_owned())));
        assert_eq!(text("PROXY TCP6 2001:db8::7 ::1 1 65535\r\n"), Ok(Some("[2001:db8::7]:1".to_owned())));
        assert_eq!(text("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n"), Ok(Some("192.0.2.7:1".to_owned())));
        assert_eq!(text("PROXY UNKNOWN\r\n"), Ok(None));
        assert_eq!(text("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), Ok(None));
    }

    #[test]
    fn version_1_is_read_strictly() {
        for invalid in [
            "PROXY TCP4 192.0.2.7 10.0.0.1 56324 443",
            "PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 56324\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 56324 443 9\r\n",
            "PROXY TCP4  192.0.2.7 10.0.0.1 56324 443\r\n",
            "PROXY TCP4 2001:db8::7 ::1 1 2\r\n",
            "PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 +1 443\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 01 443\r\n",
            "PROXY TCP4 192.0.2.07 10.0.0.1 1 443\r\n",
        ] {
            assert_eq!(text(invalid), Err(Invalid), "{invalid:?}");
        }
        assert_eq!(text("PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n"), Err(NotTcp));
        assert_eq!(text("GET / HTTP/1.1\r\n"), Err(Missing));
    }

    #[test]
    fn version_2_names_the_client() {
        let mut four = [192, 0, 2, 7, 10, 0, 0, 1, 0xdc, 4, 1, 0xbb].to_vec();
        assert_eq!(binary(0x21, 0x11, &four), Ok(Some("192.0.2.7:56324".to_owned())));
        four.extend([0x03, 0, 1, b'x']);
        assert_eq!(binary(0x21, 0x11, &four), Ok(Some("192.0.2.7:56324".to_owned())), "what else is told is skipped");
        let mut six = [0; 36];
        (six[0], six[1], six[15], six[33]) = (0x20, 0x01, 7, 9);
        assert_eq!(binary(0x21, 0x21, &six), Ok(Some("[2001::7]:9".to_owned())));
        assert_eq!(binary(0x20, 0, &[]), Ok(None), "a health check");
        assert_eq!(binary(0x20, 0x11, &four), Ok(None));
        assert_eq!(binary(0x21, 0, &[1, 2, 3]), Ok(None), "the proxy does not know");
    }

    #[test]
    fn version_2_is_read_strictly() {
        assert_eq!(binary(0x21, 0x11, &[0; 9]), Err(Invalid), "too short for its family");
        assert_eq!(binary(0x11, 0x11, &[0; 12]), Err(Invalid), "another version");
        assert_eq!(binary(0x22, 0x11, &[0; 12]), Err(Invalid), "an unknown command");
        assert_eq!(binary(0x21, 0x12, &[0; 12]), Err(NotTcp));
        assert_eq!(binary(0x21, 0x31, &[0; 216]), Err(NotTcp));
        assert_eq!(binary(0x21, 0x11, &[0; LONGEST_REST + 1]), Err(Invalid));
        assert_eq!(rest_of_binary(b"GET / HTTP/1.1\r\n"), Err(Missing));
    }
}
