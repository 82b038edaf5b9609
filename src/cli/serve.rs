//! `portcullis serve`: serves until a signal, and says what it serves.

use std::net::SocketAddr;

use super::banner;
use super::context::Context;
use super::output::{Output, is_terminal};
use crate::node::owner::act_as_owner;
use crate::node::run::{Ready, run as run_node};
use crate::telemetry::log;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The address and port to serve HTTPS on [environment: `PORTCULLIS_SERVER_LISTEN`]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// A host name or address of the registry, for its certificate; repeat it for more [environment: `PORTCULLIS_HOSTS`]
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
}

pub(super) fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let loaded = context.load_with(|overrides| {
        overrides.listen = args.listen;
        overrides.hosts = args.hosts;
    })?;
    act_as_owner(&loaded.config.data_dir)?;
    let _log = log::start(&loaded.config.log, is_terminal())?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    run_node(&loaded.config, announce)
}

/// The banner on a terminal, a log line elsewhere; the one-time password is never logged.
fn announce(ready: &Ready<'_>) -> anyhow::Result<()> {
    if is_terminal() {
        Output::new(false).raw(banner::serving(ready).as_bytes())?;
        return if ready.administrator.is_some() { ready.data.forget_first_password() } else { Ok(()) };
    }
    if let Some(administrator) = ready.administrator {
        tracing::info!(
            administrator = %administrator.name,
            password_file = %ready.data.first_password().display(),
            "created an administrator; read the one-time password from the file, then change it: portcullis user passwd {}",
            administrator.name
        );
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        address = %ready.address,
        data = %ready.data.path().display(),
        names = ready.certificate.names.join(", "),
        certificate_until = %ready.certificate.not_after,
        ca_sha256 = ready.authority.map(|authority| authority.fingerprint().to_string()),
        "serving https; to trust it on other hosts, run the line that `portcullis ca trust-command` prints"
    );
    Ok(())
}
