//! Whether a list of exceptions exempts a host from a proxy, as Go programs read `NO_PROXY`.

use std::net::IpAddr;

use ipnet::IpNet;

/// Whether a connection to `host:port` bypasses the proxy. Loopback connections always do.
pub(super) fn is_exempt(no_proxy: &str, host: &str, port: u16) -> bool {
    let ip: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || ip.is_some_and(|ip| ip.is_loopback()) {
        return true;
    }
    no_proxy.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let (Ok(network), Some(ip)) = (entry.parse::<IpNet>(), ip) {
            return network.contains(&ip);
        }
        let entry = entry.to_ascii_lowercase();
        let (entry, wanted) = match entry.rsplit_once(':') {
            Some((name, number)) if !name.contains(':') => (name.to_owned(), number.parse::<u16>().ok()),
            _ => (entry, None),
        };
        wanted.is_none_or(|wanted| wanted == port) && covers(&entry, host)
    })
}

/// `a.test` covers itself and its subdomains; `.a.test` and `*.a.test` only the subdomains.
fn covers(entry: &str, host: &str) -> bool {
    let entry = entry.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(entry);
    match entry.strip_prefix('.') {
        Some(_) => host.ends_with(entry),
        None => host == entry || host.strip_suffix(entry).is_some_and(|rest| rest.ends_with('.')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_are_read_as_go_reads_them() {
        let exempt = |list: &str, host: &str| is_exempt(list, host, 5000);
        for list in ["*", "r.test", "a, test", ".test", "*.test", "r.test:5000", "R.TEST"] {
            assert!(exempt(list, "r.test"), "{list}");
        }
        for list in ["", "t", "r.test:443", ".r.test", "other.test", "10.0.0.0/8"] {
            assert!(!exempt(list, "r.test"), "{list}");
        }
        assert!(exempt("10.0.0.0/8", "10.1.2.3") && !exempt("10.0.0.0/8", "11.1.2.3"));
        assert!(exempt("", "localhost") && exempt("", "127.0.0.1") && exempt("", "::1"));
    }
}
