//! `portcullis cert`: manages the certificate that the server presents.

use std::path::PathBuf;

use anyhow::bail;
use clap::Subcommand;
use serde_json::json;

use super::cert_request;
use super::context::Context;
use super::output::Output;
use crate::config::Config;
use crate::node::certificate::{import_certificate, renew_certificate, require_importable};
use crate::node::data_directory::DataDirectory;
use crate::node::identity::identity_source;
use crate::pki;
use crate::pki::{Identity, OperatorFiles, Origin};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show the certificate: its names, issuer and expiry
    Show,
    /// Renew the registry's own certificate; a running server picks it up
    Renew,
    /// Request a certificate by ACME now, and explain any failure; a running server picks it up
    Request,
    /// Import a certificate of another CA, to be served from now on; a running server picks it up
    Import {
        /// The certificate chain as PEM, the server's certificate first
        #[arg(long, value_name = "FILE")]
        cert: PathBuf,
        /// The private key as PEM, not readable by other users; it may be in the same file
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}

pub(super) fn run(context: &Context, verb: &Verb, output: &Output) -> anyhow::Result<()> {
    // Before root acts as the owner of the data directory, who may not be able to read them.
    let given = match verb {
        Verb::Import { cert, key } => Some(OperatorFiles::read(cert, key)),
        _ => None,
    };
    let config = context.config()?;
    match verb {
        Verb::Show => context.read_certificates(|config, data| {
            let identity = identity_source(config, data, context.clock())?.load()?;
            show(&identity, ordered_from(&identity, data).as_deref(), output)
        }),
        Verb::Request => cert_request::run(context, output),
        Verb::Renew if config.acme.is_enabled() => cert_request::run(context, output),
        Verb::Renew => {
            let renewed =
                context.change_certificates(|config, data| renew_certificate(config, data, context.clock()))?;
            show(&renewed, None, output)
        }
        Verb::Import { .. } => {
            let Some(given) = given else { bail!("give --cert FILE and --key FILE") };
            context.data_directory()?;
            require_importable(&config)?;
            let given = given?;
            let import = |_: &Config, data: &DataDirectory| import_certificate(data, &given, context.clock());
            show(&context.change_certificates(import)?, None, output)
        }
    }
}

/// The ACME directory, if the certificate was ordered there.
fn ordered_from(identity: &Identity, data: &DataDirectory) -> Option<String> {
    if identity.origin() == Origin::Acme { pki::acme::issued_by(data.path()) } else { None }
}

pub(super) fn show(identity: &Identity, directory: Option<&str>, output: &Output) -> anyhow::Result<()> {
    let (summary, origin) = (identity.summary(), identity.origin());
    let source = directory.map_or_else(|| origin.to_string(), |directory| format!("{origin} ({directory})"));
    let mut lines = vec![
        ("names", summary.names.join(", ")),
        ("from", summary.not_before.to_string()),
        ("until", summary.not_after.to_string()),
        ("issuer", summary.issuer.clone()),
        ("source", source),
        ("SHA-256", summary.fingerprint.to_string()),
    ];
    lines.extend(identity.warnings().iter().map(|warning| ("warning", warning.clone())));
    output.record(
        &lines,
        &json!({
            "names": summary.names,
            "not_before": summary.not_before.to_string(),
            "not_after": summary.not_after.to_string(),
            "issuer": summary.issuer,
            "source": origin.to_string(),
            "directory": directory,
            "sha256": summary.fingerprint.to_string(),
            "warnings": identity.warnings(),
        }),
    )
}
