//! `portcullis cert`: the certificate that is served.

use std::path::PathBuf;

use anyhow::bail;
use clap::Subcommand;
use serde_json::json;

use super::context::Context;
use super::host_names::names_to_serve;
use super::output::Output;
use super::serve::identity_source;
use crate::tls::{self, Authority, CertificateSummary, Origin};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// The certificate that is served: its names, its issuer, until when
    Show,
    /// Make the registry's own certificate anew; a running server takes it up
    Renew,
    /// Serve a certificate of another authority from now on; a running server takes it up
    Import {
        /// The chain as PEM, the server's certificate first
        #[arg(long, value_name = "FILE")]
        cert: PathBuf,
        /// The private key as PEM, readable by its owner alone
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}

pub(super) fn run(context: &Context, verb: Verb, output: &Output) -> anyhow::Result<()> {
    let data = context.data_directory()?;
    let config = context.config()?;
    match verb {
        Verb::Show => {
            let identity = identity_source(&config, &data)?.load()?;
            show(identity.summary(), identity.origin(), output)
        }
        Verb::Renew => {
            let source = identity_source(&config, &data)?;
            if let Ok(identity) = source.load()
                && identity.origin() != Origin::Own
            {
                bail!("the certificate in use ({}) was not made here: renew it where it comes from", identity.origin());
            }
            let mut authority = Authority::load(data.path())?;
            let names = names_to_serve(&config.server.hosts, Some(&authority));
            tls::renew_leaf(data.path(), &mut authority, &names)?;
            let identity = source.load()?;
            show(identity.summary(), identity.origin(), output)
        }
        Verb::Import { cert, key } => {
            if config.tls.pair.is_some() {
                bail!(
                    "the configuration names a certificate already (tls.certificate): change the files there, or remove the keys"
                );
            }
            let summary = tls::import(data.path(), &cert, &key)?;
            show(&summary, Origin::Imported, output)
        }
    }
}

fn show(summary: &CertificateSummary, origin: Origin, output: &Output) -> anyhow::Result<()> {
    output.record(
        &[
            ("names", summary.names.join(", ")),
            ("from", summary.not_before.to_string()),
            ("until", summary.not_after.to_string()),
            ("issuer", summary.issuer.clone()),
            ("source", origin.to_string()),
            ("SHA-256", summary.fingerprint.to_string()),
        ],
        &json!({
            "names": summary.names,
            "not_before": summary.not_before.to_string(),
            "not_after": summary.not_after.to_string(),
            "issuer": summary.issuer,
            "source": origin.to_string(),
            "sha256": summary.fingerprint.to_string(),
        }),
    )
}
