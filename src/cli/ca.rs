//! `portcullis ca`: the authority that clients trust.

use anyhow::bail;
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::json;

use super::context::Context;
use super::host_names::{best_for_others, names_to_serve, with_port};
use super::output::{Output, is_terminal};
use super::serve::identity_source;
use super::{ca_rotate, ca_seal};
use crate::config::Config;
use crate::domain::host_port::HostPort;
use crate::domain::trust_command::{program_line, shell_line};
use crate::tls::{Authority, Origin, PermittedNames, RootKeyPlace, SubjectName};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// What the CA is, what it may sign for, and until when
    Show,
    /// Print the CA's certificate
    Export {
        /// As DER instead of PEM
        #[arg(long)]
        der: bool,
    },
    Rotate(ca_rotate::Args),
    Seal(ca_seal::SealArgs),
    Unseal(ca_seal::UnsealArgs),
    /// Print the line that makes another host trust this registry
    ///
    /// The first line is for a shell on a bare host with curl or wget, and openssl. On a terminal a second line names the same
    /// for a host that has this program. Into a pipe or a file goes the shell line alone, ready to be run; --json has both.
    TrustCommand {
        /// How images name the registry there, with its port
        #[arg(value_name = "HOST[:PORT]")]
        host: Option<HostPort>,
    },
}

pub(super) fn run(context: &Context, verb: Verb, output: &Output) -> anyhow::Result<()> {
    let load = || Ok::<_, anyhow::Error>(Authority::load(context.data_directory()?.path())?);
    match verb {
        Verb::Show => show(&load()?, output),
        Verb::Export { der: true } => output.raw(load()?.root_der()),
        Verb::Export { der: false } => output.raw(load()?.root_pem().as_bytes()),
        Verb::TrustCommand { host } => trust_command(context, &load()?, host, output),
        Verb::Rotate(args) => ca_rotate::run(context, args, output),
        // Neither asks for a sound authority: unsealing is what repairs one whose issuing certificate has expired.
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
        RootKeyPlace::Here => ("in the data directory", "here"),
        RootKeyPlace::Sealed => ("sealed: `portcullis ca unseal` opens it", "sealed"),
        RootKeyPlace::Elsewhere => ("elsewhere: `portcullis ca unseal --from FILE` brings it back", "elsewhere"),
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
        ("root before", format!("{old}; hosts that trust it are served until {until}"))
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
            "root_key_present": place == RootKeyPlace::Here,
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
    output: &Output,
) -> anyhow::Result<()> {
    let config = context.config()?;
    let served = require_own_certificate(context, &config)?;
    let port = config.server.listen.port();
    let host = if let Some(host) = host {
        host.with_default_port(port)
    } else {
        let names = names_to_serve(&config.server.hosts, Some(authority));
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        with_port(best_for_others(&names), port)
    };
    require_served(authority, &served, &host)?;
    let pin = authority.fingerprint().to_string();
    let (shell, program) = (shell_line(&host, &pin), program_line(&host, &pin));
    let json = json!({ "host": host, "sha256": pin, "shell": shell, "program": program });
    // What is piped is run: there the shell line stands alone.
    let text = if is_terminal() { format!("{shell}\n\nor, where this program is: {program}") } else { shell };
    output.done(&text, &json)
}

/// A host that trusts the CA for a name that is not served gets another error of x509, and its people look for the fault there.
fn require_served(authority: &Authority, served: &[String], host: &str) -> anyhow::Result<()> {
    let name: SubjectName = host.rsplit_once(':').map_or(host, |(name, _)| name).parse()?;
    if !authority.permits(&name) {
        bail!(
            "the CA may not sign for `{name}`: `portcullis ca rotate --host {name}` makes one that may; then ask again"
        );
    }
    if !served.is_empty() && !served.contains(&name.to_string()) {
        bail!(
            "the certificate is not for `{name}` (portcullis cert show): add it to server.hosts, restart the server, and ask again"
        );
    }
    Ok(())
}

/// The CA is worth trusting only where the certificate that is served comes from it. Returns its names; none where it cannot be read.
fn require_own_certificate(context: &Context, config: &Config) -> anyhow::Result<Vec<String>> {
    let Ok(served) = identity_source(config, &context.data_directory()?)?.load() else { return Ok(Vec::new()) };
    match served.origin() {
        Origin::Imported | Origin::Acme | Origin::Given => bail!(
            "the certificate in use was not made by this registry's CA: other hosts must trust the authority that signed it \
             (portcullis cert show)"
        ),
        Origin::Own => Ok(served.summary().names.clone()),
    }
}
