//! Programs of the examined host: whether they are there, and what they say of themselves.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Examined;

/// Where programs lie if `PATH` does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin";
/// Between two looks at whether a program has ended.
const PAUSE: Duration = Duration::from_millis(20);
/// The most that is read of what a program says; a pipe holds as much, so that nobody waits for us to read.
const LIMIT: u64 = 64 * 1024;

/// Where a program lies on the examined host.
pub(super) fn find(examined: &Examined, name: &str) -> Option<PathBuf> {
    let path = examined.variable("PATH").unwrap_or(DEFAULT_PATH);
    let directories = path.split(':').filter(|directory| directory.starts_with('/'));
    directories.map(|directory| examined.host.real(directory.as_ref()).join(name)).find(|path| path.is_file())
}

/// What a program prints on stdout; `None` where it is not there, fails, or takes too long.
pub(super) async fn ask(examined: &Examined, name: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(find(examined, name)?);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).env_clear();
    // No DOCKER_HOST: the daemon in question is the one of this host.
    for variable in ["PATH", "HOME", "XDG_RUNTIME_DIR"] {
        command.envs(examined.variable(variable).map(|value| (variable, value)));
    }
    let mut child = command.spawn().ok()?;
    let until = Instant::now() + examined.limit;
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status.success(),
            Ok(None) if Instant::now() < until => tokio::time::sleep(PAUSE).await,
            _ => {
                // It is ours, and has had its time; that it may have ended just now is no error.
                let _ = child.kill();
                let _ = child.wait();
                break false;
            }
        }
    };
    if !ended {
        return None;
    }
    let stdout = child.stdout.take()?;
    // A child of its own may hold the pipe for as long as it likes: then this thread is left behind.
    let (done, said) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(LIMIT).read_to_end(&mut bytes);
        // Nobody waits for it any more if it took too long.
        let _ = done.send(read.map(|_| bytes));
    });
    let bytes = tokio::time::timeout(examined.limit, said).await.ok()?.ok()?.ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
