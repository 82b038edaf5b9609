//! `portcullis init`: the CA, the certificate, the keys and the administrator, without serving. `serve` does the same on an empty
//! data directory.

use serde_json::json;

use super::banner;
use super::context::{Context, block_on};
use super::output::Output;
use super::password;
use crate::domain::AccountName;
use crate::domain::net::host_port::with_port;
use crate::node::first_start::{FirstStart, NewRegistry, constraints};
use crate::node::owner::act_as_owner;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A host name or address of the registry, for its certificate; repeat it for more [environment: `PORTCULLIS_HOSTS`]
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// The administrator's name
    #[arg(long, value_name = "NAME", default_value = "admin")]
    admin: AccountName,
    /// Read the administrator's password from stdin
    #[arg(long)]
    admin_password_stdin: bool,
    /// Let the CA sign for any name: hosts that trust it then trust it for every site on the internet
    #[arg(long)]
    unconstrained: bool,
}

pub(super) fn run(context: &Context, args: Args, output: &Output) -> anyhow::Result<()> {
    let config = context.load_with(|overrides| overrides.hosts = args.hosts)?.config;
    act_as_owner(&config.data_dir)?;
    let registry = NewRegistry::claim(&config, &args.admin)?;
    let password = if args.admin_password_stdin { Some(password::choose(&args.admin, true)?) } else { None };
    let constraints = constraints(&config, args.unconstrained);
    let chosen = FirstStart { constraints, administrator: args.admin, password };
    let made = block_on(registry.initialise(&config, context.clock(), chosen))?;
    let text = banner::initialised(&made, &config);
    let shown = output.done(
        text.trim_end(),
        &json!({
            "data": made.data.path().display().to_string(),
            "ca_sha256": made.authority.fingerprint().to_string(),
            "administrator": made.administrator.name.as_str(),
            "password": made.administrator.password_to_show(),
            "login": with_port("localhost", config.server.listen.port()),
        }),
    );
    if shown.is_ok() {
        made.data.forget_first_password()?;
    }
    shown
}
