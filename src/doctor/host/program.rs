//! Programs of the examined host: whether they are installed, and what they print.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Examined;

/// Where programs are if `PATH` is not set.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin";
/// Between two checks whether a program has exited.
const PAUSE: Duration = Duration::from_millis(20);
/// The most that is read of a program's output; a pipe holds as much, so the program never waits for us to read.
const LIMIT: u64 = 64 * 1024;

/// Where a program is on the examined host.
pub(super) fn find(examined: &Examined, name: &str) -> Option<PathBuf> {
    let path = examined.variable("PATH").unwrap_or(DEFAULT_PATH);
    let directories = path.split(':').filter(|directory| directory.starts_with('/'));
    directories.map(|directory| examined.host.real(directory.as_ref()).join(name)).find(|path| path.is_file())
}

/// What a program prints on stdout; `None` if it is not installed, fails, or takes too long.
pub(super) async fn ask(examined: &Examined, name: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(find(examined, name)?);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).env_clear();
    // No DOCKER_HOST: the daemon in question is the one of this host.
    for variable in ["PATH", "HOME", "XDG_RUNTIME_DIR"] {
        command.envs(examined.variable(variable).map(|value| (variable, value)));
    }
    let mut child = command.spawn().ok()?;
    let exited = tokio::time::timeout(examined.limit, async {
        loop {
            match child.try_wait() {
                Ok(None) => tokio::time::sleep(PAUSE).await,
                Ok(Some(status)) => break status.success(),
                Err(_) => break false,
            }
        }
    });
    let succeeded = exited.await.unwrap_or_else(|_| {
        // It is our child, and its time is over; it may have exited just now, which is not an error.
        let _ = child.kill();
        let _ = child.wait();
        false
    });
    if !succeeded {
        return None;
    }
    let stdout = child.stdout.take()?;
    // A child of its own may keep the pipe open indefinitely: then this thread is left behind.
    let (done, said) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(LIMIT).read_to_end(&mut bytes);
        // If it took too long, the receiver is gone.
        let _ = done.send(read.map(|_| bytes));
    });
    let bytes = tokio::time::timeout(examined.limit, said).await.ok()?.ok()?.ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
