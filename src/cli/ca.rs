//! `portcullis ca`: manages the certificate authority that clients trust.

use clap::Subcommand;
use serde_json::json;

use super::context::Context;
use super::output::{Output, is_terminal};
use super::{ca_rotate, ca_seal};
use crate::config::Config;
use crate::domain::Clock;
use crate::domain::net::host_port::HostPort;
use crate::node::authority::trustable_host;
use crate::node::data_directory::DataDirectory;
use crate::pki::{Authority, PermittedNames, RootKeyLocation};
use crate::trust::command::{program_line, self_contained_line, short_line, wget_line};
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
    let with_authority = |work: &dyn Fn(&Authority) -> anyhow::Result<()>| {
        context.read_certificates(|_, data| work(&Authority::load(data.path(), context.clock())?))
    };
    match verb {
        Verb::Show => with_authority(&|authority| show(authority, context.clock(), output)),
        Verb::Export { der: true } => with_authority(&|authority| output.raw(authority.root_der())),
        Verb::Export { der: false } => with_authority(&|authority| output.raw(authority.root_pem().as_bytes())),
        Verb::TrustCommand { host, self_contained } => context.read_certificates(|config, data| {
            trust_command((config, data, context.clock()), host.as_ref(), self_contained, output)
        }),
        Verb::Rotate(args) => ca_rotate::run(context, &args, output),
        // Neither needs an intact authority: unsealing is what repairs one whose issuing certificate has expired.
        Verb::Seal(args) => ca_seal::seal(context, &args, output),
        Verb::Unseal(args) => ca_seal::unseal(context, &args, output),
    }
}

fn show(authority: &Authority, clock: &Clock, output: &Output) -> anyhow::Result<()> {
    let now = clock.now();
    let permitted: Option<Vec<String>> = match authority.permitted() {
        PermittedNames::All => None,
        PermittedNames::Only(names) => Some(names.iter().map(ToString::to_string).collect()),
    };
    let (root_key, root_key_word) = root_key(authority);
    let signs_for = permitted.as_ref().map_or_else(|| "any name (unconstrained)".to_owned(), |names| names.join(", "));
    let mut lines = vec![
        ("SHA-256", authority.fingerprint().to_string()),
        ("signs for", signs_for),
        ("root until", authority.root_not_after().to_string()),
        ("issuing until", authority.issuing_not_after().to_string()),
        ("root key", root_key.to_owned()),
    ];
    let rotation = authority.rotation(now).map(|rotation| (rotation.previous_fingerprint(), rotation.until()));
    lines.extend(
        rotation.map(|(old, until)| ("previous root", format!("{old}; hosts that trust it are served until {until}"))),
    );
    let warning = authority.expiry_warning(now);
    lines.extend(warning.iter().map(|warning| ("warning", warning.clone())));
    let json = json!({
        "sha256": authority.fingerprint().to_string(),
        "permitted": permitted,
        "root_not_after": authority.root_not_after().to_string(),
        "issuing_not_after": authority.issuing_not_after().to_string(),
        "root_key_present": authority.root_key_location() == RootKeyLocation::Here,
        "root_key": root_key_word,
        "rotation": rotation.map(|(old, until)| json!({
            "previous_sha256": old.to_string(),
            "until": until.to_string(),
        })),
        "warning": warning,
    });
    output.record(&lines, &json)
}

/// Where the root key is, for people and in JSON.
fn root_key(authority: &Authority) -> (&'static str, &'static str) {
    match authority.root_key_location() {
        RootKeyLocation::Here => ("in the data directory", "here"),
        RootKeyLocation::Sealed => ("sealed: `portcullis ca unseal` unseals it", "sealed"),
        RootKeyLocation::Elsewhere => ("on other storage: `portcullis ca unseal --from FILE` restores it", "elsewhere"),
    }
}

fn trust_command(
    (config, data, clock): (&Config, &DataDirectory, &Clock),
    host: Option<&HostPort>,
    self_contained: bool,
    output: &Output,
) -> anyhow::Result<()> {
    let authority = Authority::load(data.path(), clock)?;
    let host = trustable_host((config, data, clock), &authority, host)?;
    let (sha256, pem, constrained) =
        (authority.fingerprint().to_string(), authority.root_pem(), authority.is_constrained());
    let trusted = Trusted { host: &host, pem: &pem, sha256: &sha256, constrained };
    let (short, wget, long) = (short_line(&trusted), wget_line(&trusted), self_contained_line(&trusted));
    let program = program_line(&host, &sha256);
    let json = json!({
        "host": host,
        "sha256": sha256,
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
