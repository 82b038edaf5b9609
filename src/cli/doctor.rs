//! `portcullis doctor`: what is wrong, why it matters, and what mends it; here on the server, or on a client's host.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;

use super::context::{Context, block_on_and_leave};
use super::output::{Output, is_terminal};
use super::trust::home_of_environment;
use crate::doctor::finding::{Finding, State};
use crate::doctor::host::{Examined, examine};
use crate::domain::net::host_port::HostPort;
use crate::trust::{Host, RegistryAddress};

/// Say what is wrong, where, and the command that mends it
///
/// Without an argument: this registry, running or not: clock, certificates, keys, disk, database, port, and whether it is
/// reached under each of its names. With `HOST[:PORT]`: that registry as seen from this host: name, connection, TLS, the store of
/// each installed client, settings left over from before, proxies. Nothing is changed and no credentials are sent. Exit code 0
/// where there is no problem (there may be warnings), 1 where there is.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The registry, exactly as image references begin; none: this server
    #[arg(value_name = "HOST[:PORT]")]
    registry: Option<HostPort>,
    /// Give up a connection after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    timeout: u64,
    /// A directory that stands in for / on a client's host
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    root: PathBuf,
}

pub(super) fn run(context: &Context, args: Args, output: &Output) -> anyhow::Result<()> {
    let limit = Duration::from_secs(args.timeout.max(1));
    let findings = match args.registry {
        None => block_on_and_leave(crate::doctor::server::examine(context, limit))?,
        Some(registry) => {
            let examined = Examined {
                host: Host::at(args.root),
                home: home_of_environment().ok(),
                registry: RegistryAddress::from(registry),
                limit,
                variables: variables(),
            };
            block_on_and_leave(examine(&examined))?
        }
    };
    report(&findings, output)
}

fn variables() -> std::collections::BTreeMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// All findings on stdout; that there is a problem, on stderr and by the exit code.
fn report(findings: &[Finding], output: &Output) -> anyhow::Result<()> {
    let text: Vec<String> = findings.iter().map(|finding| lines(finding, is_terminal())).collect();
    output.done(&text.join("\n"), &serde_json::to_value(findings)?)?;
    match findings.iter().filter(|finding| finding.state == State::Problem).count() {
        0 => Ok(()),
        1 => bail!("1 problem was found; what mends it stands above"),
        count => bail!("{count} problems were found; what mends each stands above"),
    }
}

/// One line for what is in order, three for what is not.
fn lines(finding: &Finding, with_colour: bool) -> String {
    let (word, colour) = match finding.state {
        State::Ok => ("ok", "32"),
        State::Warning => ("warning", "33"),
        State::Problem => ("problem", "31"),
    };
    let word = if with_colour { format!("\u{1b}[{colour}m{word:8}\u{1b}[0m") } else { format!("{word:8}") };
    let mut text = format!("{word} {}: {}", finding.check, finding.what);
    for (label, value) in [("why", &finding.why), ("mend", &finding.mend)] {
        if let Some(value) = value {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n         {label:5} {value}");
        }
    }
    text
}
