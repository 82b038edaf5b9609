//! Which container daemons run: they read the operating system's store once, at their start.

use std::collections::BTreeSet;
use std::fs;

use super::host::Host;

/// The command names of daemons that pull images, as the kernel tells them.
const DAEMONS: [&str; 6] = ["dockerd", "containerd", "buildkitd", "crio", "k3s-server", "k3s-agent"];

/// Those that run, each once, in order.
pub(crate) fn running(host: &Host) -> Vec<String> {
    let Ok(processes) = fs::read_dir(host.real("/proc".as_ref())) else { return Vec::new() };
    let names = processes.filter_map(Result::ok).filter_map(|entry| fs::read_to_string(entry.path().join("comm")).ok());
    let running: BTreeSet<String> =
        names.map(|name| name.trim().to_owned()).filter(|name| DAEMONS.contains(&name.as_str())).collect();
    running.into_iter().collect()
}
