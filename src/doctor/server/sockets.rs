//! Which process listens where, from the kernel's tables. Processes of other users are not always visible.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The state of a socket that listens, as the kernel writes it.
const LISTENS: &str = "0A";

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(super) id: u32,
    /// Its command's name, at most 15 bytes.
    pub(super) name: String,
}

impl Process {
    /// The process with this id, if it exists.
    pub(super) fn of_id(id: u32) -> Option<Self> {
        let name = fs::read_to_string(format!("/proc/{id}/comm")).ok()?;
        Some(Self { id, name: name.trim().to_owned() })
    }

    /// The addresses that it listens on.
    pub(super) fn listens_on(&self) -> Vec<SocketAddr> {
        let own = sockets_of(self.id);
        listeners().into_iter().filter(|(_, inode)| own.contains(inode)).map(|(address, _)| address).collect()
    }
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} ({})", self.id, self.name)
    }
}

/// What listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PortUse {
    /// Nothing.
    Free,
    /// This process.
    Process(Process),
    /// A process that is not visible from here.
    Invisible,
}

/// What listens on this port; nothing does on port 0, for which the system chooses one.
pub(super) fn use_of_port(port: u16) -> PortUse {
    let inodes: Vec<u64> =
        listeners().into_iter().filter(|(address, _)| address.port() == port).map(|(_, inode)| inode).collect();
    if inodes.is_empty() {
        return PortUse::Free;
    }
    let processes = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let mut ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let id = ids.find(|id| {
        let own = sockets_of(*id);
        inodes.iter().any(|inode| own.contains(inode))
    });
    id.and_then(Process::of_id).map_or(PortUse::Invisible, PortUse::Process)
}

/// The inodes of a process's sockets.
fn sockets_of(id: u32) -> BTreeSet<u64> {
    let descriptors = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().filter_map(Result::ok);
    let links = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
    let inode = |link: std::path::PathBuf| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    links.filter_map(inode).collect()
}

/// Every listening TCP socket with its inode.
fn listeners() -> Vec<(SocketAddr, u64)> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(listener).collect()
}

fn listener(line: &str) -> Option<(SocketAddr, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if *fields.get(3)? != LISTENS {
        return None;
    }
    Some((address(fields.get(1)?)?, fields.get(9)?.parse().ok()?))
}

/// `0100007F:1388`: each 32 bits of the address as a number of this machine, the port as a plain one.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let words: Option<Vec<[u8; 4]>> = (0..ip.len() / 8)
        .map(|index| u32::from_str_radix(ip.get(index * 8..index * 8 + 8)?, 16).ok().map(u32::to_ne_bytes))
        .collect();
    let bytes = words?.concat();
    let v4 = <[u8; 4]>::try_from(bytes.as_slice()).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)));
    let v6 = <[u8; 16]>::try_from(bytes.as_slice()).map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)));
    Some(SocketAddr::new(v4.or(v6).ok()?.to_canonical(), u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_addresses_are_read() {
        #[cfg(target_endian = "little")]
        assert_eq!(address("0100007F:1388"), Some("127.0.0.1:5000".parse().unwrap()));
        #[cfg(target_endian = "little")]
        assert_eq!(address("00000000000000000000000001000000:01BB"), Some("[::1]:443".parse().unwrap()));
        assert_eq!(address("nonsense"), None);
    }

    #[test]
    fn a_listener_of_our_own_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let this = Process::of_id(std::process::id()).unwrap();
        assert!(this.listens_on().contains(&address));
        assert_eq!(use_of_port(address.port()), PortUse::Process(this));
    }
}
