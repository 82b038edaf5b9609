//! `portcullis init`: the CA, the certificate, the keys and the administrator, without serving. `serve` does the same on an empty
//! data directory.

use anyhow::bail;
use serde_json::json;

use super::banner;
use super::context::{Context, block_on};
use super::output::Output;
use super::password;
use super::user::admit_name;
use crate::auth::{Authenticator, Secret};
use crate::config::Config;
use crate::domain::{AccountName, Clock};
use crate::node::administrator::Administrator;
use crate::node::data_directory::DataDirectory;
use crate::node::host_names::{names_to_serve, with_port};
use crate::node::owner::act_as_owner;
use crate::pki::{Authority, Constraints, ensure_leaf};
use crate::storage::metadata::sqlite;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A name or address of the registry, for its certificate; repeat it for more [environment: `PORTCULLIS_HOSTS`]
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// The administrator's name
    #[arg(long, value_name = "NAME", default_value = "admin")]
    admin: AccountName,
    /// Read the administrator's password from stdin
    #[arg(long)]
    admin_password_stdin: bool,
    /// Let the CA sign for any name: whoever trusts it then trusts it for the whole internet
    #[arg(long)]
    unconstrained: bool,
}

pub(crate) fn run(context: &Context, args: Args, output: &Output) -> anyhow::Result<()> {
    let config = context.load_with(|overrides| overrides.hosts = args.hosts)?.config;
    let data = DataDirectory::at(&config.data_dir);
    act_as_owner(data.path())?;
    if let Some(date) = data.initialised_on()? {
        bail!("{} was already initialised on {date}, nothing changed", data.path().display());
    }
    admit_name(&args.admin)?;
    data.create()?;
    let _lock = data.lock()?;
    let secret = if args.admin_password_stdin { Some(password::choose(&args.admin, true)?.secret) } else { None };
    let constraints = constraints(&config, args.unconstrained);
    let Some(administrator) = block_on(initialise(&data, &config, constraints, args.admin, secret))? else {
        bail!("{} was already initialised, nothing changed{}", data.path().display(), password_hint(&data));
    };
    let authority = Authority::load(data.path())?;
    let port = config.server.listen.port();
    let sha256 = authority.fingerprint().to_string();
    let text = banner::initialised(&data, &config, &authority, &administrator);
    let password = administrator.password.as_ref().map(Secret::expose);
    let shown = output.done(
        text.trim_end(),
        &json!({
            "data": data.path().display().to_string(),
            "ca_sha256": sha256,
            "administrator": administrator.name.as_str(),
            "password": password,
            "login": with_port("localhost", port),
        }),
    );
    if shown.is_ok() {
        data.forget_first_password()?;
    }
    shown
}

/// Where an attempt was interrupted after it had made the administrator.
fn password_hint(data: &DataDirectory) -> String {
    let file = data.first_password();
    if file.exists() {
        format!("; the administrator's one-time password is in {}", file.display())
    } else {
        String::new()
    }
}

/// What the CA may sign for.
pub(crate) fn constraints(config: &Config, unconstrained: bool) -> Constraints {
    if unconstrained || !config.tls.constrained { Constraints::Unconstrained } else { Constraints::ToNames }
}

/// Makes what is missing of a data directory. Interrupted, it continues where it was when it is run again. `None` where the database
/// says that this is not a first start.
pub(crate) async fn initialise(
    data: &DataDirectory,
    config: &Config,
    constraints: Constraints,
    admin: AccountName,
    password: Option<Secret>,
) -> anyhow::Result<Option<Administrator>> {
    let mut authority = if Authority::exists(data.path()) {
        Authority::load(data.path())?
    } else {
        let names = names_to_serve(&config.server.hosts, None);
        Authority::create(data.path(), &names, constraints)?
    };
    let names = names_to_serve(&config.server.hosts, Some(&authority));
    ensure_leaf(data.path(), &mut authority, &names)?;
    let metadata = sqlite::open(&data.database(), Clock::system()).await?;
    Authenticator::open(metadata.clone(), config.auth.clone(), data.seal_key()?).await?;
    let administrator = Administrator::add(data, &*metadata, admin, password).await?;
    metadata.close().await?;
    data.mark_initialised()?;
    Ok(administrator)
}
