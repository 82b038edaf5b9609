//! `portcullis ca`: manages the certificate authority that clients trust.

use anyhow::bail;
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::json;

use super::context::Context;
use super::output::{Output, is_terminal};
use super::{ca_rotate, ca_seal};
use crate::config::Config;
use crate::domain::Clock;
use crate::domain::net::host_port::HostPort;
use crate::node::host_names::{best_for_others, names_to_serve, with_port};
use crate::node::identity::identity_source;
use crate::pki::{Authority, Origin, PermittedNames, RootKeyLocation, SubjectName};
use crate::trust::command::{program_line, program_line_with_file, self_contained_line, short_line, wget_line};
use crate::trust::script::Trusted;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show the CA: its fingerprint, the names it may sign for, and its expiry
    Show,
    /// Print the CA certificate
    Export {
        /// Print DER instead of PEM
        #[arg(long)]
        der: bool,
    },
    Rotate(ca_rotate::Args),
    Seal(ca_seal::SealArgs),
    Unseal(ca_seal::UnsealArgs),
    /// Print the command line that makes another host trust this registry
    ///
    /// The line fetches the registry's script with curl and runs it if its SHA-256 matches the one in the line; `sh t --undo` undoes
    /// it. Run it in a directory that only you can write to. On a terminal, lines for wget and for hosts that have this program
    /// follow. In a pipe or a file, only the first line is printed, ready to be run; --json prints all of them.
    TrustCommand {
        /// The registry as image references name it on that host, with its port
        #[arg(value_name = "HOST[:PORT]")]
        host: Option<HostPort>,
        /// Print a longer line that downloads no script: it needs openssl, and curl or wget, and has no undo command
        #[arg(long)]
        self_contained: bool,
    },
}

pub(super) fn run(context: &Context, verb: Verb, output: &Output) -> anyhow::Result<()> {
    let load = || Ok::<_, anyhow::Error>(Authority::load(context.data_directory()?.path(), &Clock::system())?);
    match verb {
        Verb::Show => show(&load()?, output),
        Verb::Export { der: true } => output.raw(load()?.root_der()),
        Verb::Export { der: false } => output.raw(load()?.root_pem().as_bytes()),
        Verb::TrustCommand { host, self_contained } => trust_command(context, &load()?, host, self_contained, output),
        Verb::Rotate(args) => ca_rotate::run(context, &args, output),
        // Neither needs an intact authority: unsealing is what repairs one whose issuing certificate has expired.
        Verb::Seal(args) => ca_seal::seal(context, &args, output),
        Verb::Unseal(args) => ca_seal::unseal(context, &args, output),
    }
}

fn show(authority: &Authority, output: &Output) -> anyhow::Result<()> {
    let signs_for = match authority.permitted() {
        PermittedNames::All => "any name (unconstrained)".to_owned(),
        PermittedNames::Only(names) => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let (now, place) = (Timestamp::now(), authority.root_key_place());
    let (root_key, root_key_word) = match place {
        RootKeyLocation::Here => ("in the data directory", "here"),
        RootKeyLocation::Sealed => ("sealed: `portcullis ca unseal` unseals it", "sealed"),
        RootKeyLocation::Elsewhere => ("on other storage: `portcullis ca unseal --from FILE` restores it", "elsewhere"),
    };
    let mut lines = vec![
        ("SHA-256", authority.fingerprint().to_string()),
        ("signs for", signs_for.clone()),
        ("root until", authority.root_not_after().to_string()),
        ("issuing until", authority.issuing_not_after().to_string()),
        ("root key", root_key.to_owned()),
    ];
    let rotation = authority.rotation(now);
    lines.extend(rotation.map(|rotation| {
        let (old, until) = (rotation.previous_fingerprint(), rotation.until());
        ("previous root", format!("{old}; hosts that trust it are served until {until}"))
    }));
    let warning = authority.expiry_warning(now);
    lines.extend(warning.iter().map(|warning| ("warning", warning.clone())));
    output.record(
        &lines,
        &json!({
            "sha256": authority.fingerprint().to_string(),
            "permitted": match authority.permitted() {
                PermittedNames::All => json!(null),
                PermittedNames::Only(names) => json!(names.iter().map(ToString::to_string).collect::<Vec<_>>()),
            },
            "root_not_after": authority.root_not_after().to_string(),
            "issuing_not_after": authority.issuing_not_after().to_string(),
            "root_key_present": place == RootKeyLocation::Here,
            "root_key": root_key_word,
            "rotation": rotation.map(|rotation| json!({
                "previous_sha256": rotation.previous_fingerprint().to_string(),
                "until": rotation.until().to_string(),
            })),
            "warning": warning,
        }),
    )
}

fn trust_command(
    context: &Context,
    authority: &Authority,
    host: Option<HostPort>,
    self_contained: bool,
    output: &Output,
) -> anyhow::Result<()> {
    let config = context.config()?;
    let served = require_own_certificate(context, &config, host.as_ref())?;
    let port = config.server.listen.port();
    let host = if let Some(host) = host {
        host.with_default_port(port)
    } else {
        let names = names_to_serve(&config.server.hosts, Some(authority));
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        with_port(best_for_others(&names), port)
    };
    require_served(authority, &served, &host)?;
    let (pin, pem, constrained) =
        (authority.fingerprint().to_string(), authority.root_pem(), authority.is_constrained());
    let trusted = Trusted { host: &host, pem: &pem, sha256: &pin, constrained };
    let (short, wget, long) = (short_line(&trusted), wget_line(&trusted), self_contained_line(&trusted));
    let program = program_line(&host, &pin);
    let json = json!({
        "host": host,
        "sha256": pin,
        "constrained": constrained,
        "script_sha256": trusted.script_sha256(),
        "shell": short,
        "wget": wget,
        "self_contained": long,
        "program": program,
    });
    // What is piped is run, so nothing but the one line is printed there.
    let text = match (self_contained, is_terminal()) {
        (true, _) => long,
        (false, false) => short,
        (false, true) => format!(
            "{short}\n\nwith wget: {wget}\n\non hosts that have portcullis, as root: {program}\n\n\
             `sudo sh t --undo` undoes it; `sh t` without sudo is for the user's rootless tools only{}",
            if constrained { "" } else { UNCONSTRAINED }
        ),
    };
    output.done(&text, &json)
}

const UNCONSTRAINED: &str =
    ". This CA can sign for any name, so it is not added to the operating system's store; `--system` adds it";

/// A host that trusts the CA for a name that is not served gets a different x509 error, and its users look for the cause on their side.
fn require_served(authority: &Authority, served: &[String], host: &str) -> anyhow::Result<()> {
    let name: SubjectName = host.parse::<HostPort>()?.bare_host().parse()?;
    if !authority.permits(&name) {
        bail!(
            "the CA may not sign for `{name}`: run `portcullis ca rotate --host {name}` for a new CA that may, then run this again"
        );
    }
    if !served.is_empty() && !served.contains(&name.to_string()) {
        bail!(
            "the certificate is not for `{name}` (portcullis cert show): add it to server.hosts, restart the server, and run this again"
        );
    }
    Ok(())
}

/// The CA is worth trusting only if it signed the certificate that is served. Returns the names of that certificate; none if it cannot
/// be read.
fn require_own_certificate(context: &Context, config: &Config, host: Option<&HostPort>) -> anyhow::Result<Vec<String>> {
    let Ok(served) = identity_source(config, &context.data_directory()?)?.load() else { return Ok(Vec::new()) };
    match served.origin() {
        Origin::Imported | Origin::Acme | Origin::Configured => bail!(
            "the certificate in use was not signed by this registry's CA (portcullis cert show). If its CA is not a public one, make \
             other hosts trust it with `{}`, where FILE is the root certificate of that CA",
            program_line_with_file(&host.map_or_else(|| "HOST:PORT".to_owned(), ToString::to_string))
        ),
        Origin::ManagedCa => Ok(served.summary().names.clone()),
    }
}
