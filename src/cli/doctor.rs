//! `portcullis doctor`: what is wrong, why it matters, and how to fix it; on the server, or on a client's host.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;

use super::context::{Context, block_on_and_leave};
use super::output::{Output, is_terminal};
use super::trust::home_of_environment;
use crate::config::Config;
use crate::doctor::finding::{Finding, State};
use crate::doctor::host::{self, Examined};
use crate::doctor::server;
use crate::domain::Clock;
use crate::domain::net::host_port::HostPort;
use crate::node::bucket::try_bucket;
use crate::node::data_directory::DataDirectory;
use crate::node::host_names::of_this_machine;
use crate::node::owner::act_as_owner;
use crate::node::stores::{inspect_metadata, is_shared_and_new};
use crate::trust::{Host, RegistryAddress};

/// Diagnose problems and print the command that fixes each
///
/// Without an argument, checks this registry, running or not: clock, certificates, keys, disk, database, port, and whether it can be
/// reached under each of its names. With `HOST[:PORT]`, checks that registry as seen from this host: name resolution, connection, TLS,
/// the certificate store of each installed client, leftover settings, proxies. Changes nothing and sends no credentials. The exit code
/// is 1 if a problem was found, else 0 (also with warnings).
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The registry, exactly as image references begin; without it, this server
    #[arg(value_name = "HOST[:PORT]")]
    registry: Option<HostPort>,
    /// Also try everything that is needed of the bucket of [blobs.s3], under a prefix of its own that is empty again afterwards
    #[arg(long, conflicts_with = "registry")]
    s3: bool,
    /// Give up on a connection after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    timeout: u64,
    /// Use DIR as the root directory of a client's host
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    root: PathBuf,
}

pub(super) fn run(context: &Context, args: Args, output: &Output) -> anyhow::Result<()> {
    let limit = Duration::from_secs(args.timeout.max(1));
    let findings = match args.registry {
        None => of_server(context, limit, args.s3)?,
        Some(registry) => {
            let examined = Examined {
                host: Host::at(args.root),
                home: home_of_environment().ok(),
                registry: RegistryAddress::from(registry),
                limit,
                clock: Clock::system(),
                variables: variables(),
            };
            block_on_and_leave(host::examine(&examined))?
        }
    };
    report(&findings, output)
}

/// The checks of this server, with the flags, variables and defaults alone if the configuration file is invalid.
fn of_server(context: &Context, limit: Duration, with_bucket: bool) -> anyhow::Result<Vec<Finding>> {
    let loaded = context.load();
    let fallback = if loaded.is_err() { context.without_its_file() } else { None };
    let mut findings = server::check_configuration(&loaded, fallback.is_some());
    let Some(config) = loaded.ok().map(|loaded| loaded.config).or(fallback) else {
        findings.push(Finding::unknown("data", "the location of the data directory is unknown"));
        return Ok(findings);
    };
    let data = DataDirectory::at(&config.data_dir);
    if let Err(error) = act_as_owner(data.path()) {
        findings.push(server::inaccessible(format!("{error:#}")));
        return Ok(findings);
    }
    let subject = server::Subject {
        holder: server::holder(&data.lock_file()),
        data: server::Data {
            path: data.path().to_owned(),
            database: data.database(),
            lock_file: data.lock_file(),
            first_password: data.first_password(),
            initialised: initialised(&config, &data),
        },
        machine: of_this_machine(),
        config,
        limit,
        clock: Clock::system(),
    };
    let inspection = inspect_metadata(&subject.config, matches!(subject.holder, server::Holder::None));
    findings.extend(block_on_and_leave(server::examine(&subject, inspection))?);
    if with_bucket {
        findings.extend(block_on_and_leave(server::check_bucket(try_bucket(&subject.config)))?);
    }
    Ok(findings)
}

/// The database that nodes share decides; one that cannot be asked is examined later on.
fn initialised(config: &Config, data: &DataDirectory) -> server::Initialised {
    match data.initialised_on() {
        Err(error) => server::Initialised::Unknown(format!("{error:#}")),
        Ok(Some(since)) => server::Initialised::Here(since),
        Ok(None) => match block_on_and_leave(is_shared_and_new(config)) {
            Ok(Ok(None | Some(true))) => server::Initialised::No,
            _ => server::Initialised::Elsewhere,
        },
    }
}

fn variables() -> std::collections::BTreeMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// All findings on stdout; whether any is a problem, on stderr and by the exit code.
fn report(findings: &[Finding], output: &Output) -> anyhow::Result<()> {
    let text: Vec<String> = findings.iter().map(|finding| lines(finding, is_terminal())).collect();
    output.done(&text.join("\n"), &serde_json::to_value(findings)?)?;
    match findings.iter().filter(|finding| finding.state == State::Problem).count() {
        0 => Ok(()),
        1 => bail!("1 problem found; see the fix above"),
        count => bail!("{count} problems found; see the fixes above"),
    }
}

/// One line for what is fine, three for what is not.
fn lines(finding: &Finding, with_colour: bool) -> String {
    let (word, colour) = match finding.state {
        State::Ok => ("ok", "32"),
        State::Warning => ("warning", "33"),
        State::Problem => ("problem", "31"),
    };
    let word = if with_colour { format!("\u{1b}[{colour}m{word:8}\u{1b}[0m") } else { format!("{word:8}") };
    let mut text = format!("{word} {}: {}", finding.check, finding.what);
    for (label, value) in [("why", &finding.why), ("fix", &finding.fix)] {
        if let Some(value) = value {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n         {label:5} {value}");
        }
    }
    text
}
