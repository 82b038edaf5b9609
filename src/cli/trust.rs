//! `portcullis trust`: makes this host's container tools trust a registry's private CA. Needs no data directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use clap::ValueEnum;
use serde_json::{Value, json};

use super::context::block_on_and_leave;
use super::output::Output;
use crate::domain::Clock;
use crate::domain::net::Fingerprint;
use crate::domain::net::host_port::HostPort;
use crate::trust::{
    Applied, Home, Host, InstallScope, PinnedAuthority, Plan, PlannedFile, PlannedState, RegistryAddress, RootFile,
    SystemStore, TrustError, TrustSettings, buildkit_stanza, k3s_stanza, known_authority, verify, verify_file,
};

/// Make this host trust a registry's private CA: pinned, verified, and undone by `untrust`
///
/// Fetches the CA from the registry, rejects it unless its SHA-256 is the pinned one, checks that it may sign for the host, and
/// connects again trusting nothing else. Then installs it for docker (/etc/docker/certs.d), for podman, skopeo, buildah and CRI-O
/// (/etc/containers/certs.d), for containerd if that is installed (/etc/containerd/certs.d and its `config_path`), and, if the CA
/// can sign for the registry's names only, in the operating system's store, which curl, crane, oras, helm, cosign, regctl
/// and the docker command itself read. No configuration is edited and no daemon restarted. After a rotation of the CA, run it again
/// to move this host from the old CA to the new one without a new pin, until the end of the transition. A record of the installed
/// files is kept in /var/lib/portcullis-trust (with --user in ~/.local/state/portcullis-trust), for `portcullis untrust`.
// Each is a flag on the command line.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The registry, exactly as image references begin. Without a port, port 443 is used, as docker does
    #[arg(value_name = "HOST[:PORT]")]
    registry: HostPort,
    /// The SHA-256 of the CA, as `portcullis ca show` prints it on the server; with or without colons. Not needed if this host already
    /// trusts the registry: then the CA must be the same, or the one that replaced it in a rotation
    #[arg(long, value_name = "HEX")]
    ca_sha256: Option<Fingerprint>,
    /// A PEM file with the root to trust (`-`: standard input), if the registry's certificate was issued by another CA. Nothing is
    /// fetched; the registry's certificate must verify with it
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Only for this user's rootless tools, in ~/.config
    #[arg(long)]
    user: bool,
    /// Install in the operating system's store even if the CA can sign for any name
    #[arg(long, conflicts_with = "user")]
    system: bool,
    /// Do not use the operating system's store; remove what `trust` installed there before
    #[arg(long, conflicts_with = "system")]
    no_system: bool,
    /// Check everything and print what would be written, but write nothing
    #[arg(long)]
    dry_run: bool,
    /// Replace an existing CA
    #[arg(long)]
    replace: bool,
    /// Also print what to add by hand to the configuration of tools that read neither location
    #[arg(long, value_name = "TOOL")]
    print: Vec<Tool>,
    /// Give up on a connection after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Use DIR as the root directory
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    root: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tool {
    /// buildkitd.default.toml
    Buildkit,
    /// registries.yaml
    K3s,
}

pub(super) fn run(args: Args, output: &Output) -> anyhow::Result<()> {
    let registry = RegistryAddress::from(args.registry);
    let (host, limit) = (Host::at(args.root), Duration::from_secs(args.timeout));
    let scope = if args.user { InstallScope::User(home(&host)?) } else { InstallScope::System };
    let authority = match &args.ca_file {
        Some(path) => {
            let file = RootFile::read(path)?;
            block_on_and_leave(async { verify_file(&registry, &file, args.ca_sha256, limit, now()).await })??
        }
        None => verified(&host, &scope, &registry, args.ca_sha256, limit)?,
    };
    let mut json = describe(&authority);
    let system_store = match (args.system, args.no_system) {
        (true, _) => SystemStore::Always,
        (_, true) => SystemStore::Never,
        _ => SystemStore::IfConstrained,
    };
    let settings = TrustSettings { system_store, replace: args.replace };
    let plan = Plan::make(host, scope.clone(), registry.clone(), authority, settings)?;
    let applied = if args.dry_run { None } else { Some(plan.apply()?) };
    let stanzas: Vec<String> = args.print.iter().map(|tool| stanza(*tool, &scope, &registry)).collect();
    json["registry"] = json!(registry.written());
    json["stanzas"] = json!(stanzas);
    add_outcome(&mut json, &plan, applied.as_ref());
    let report = report(&plan, applied.as_ref());
    if stanzas.is_empty() {
        return output.done(&report, &json);
    }
    // Only what was asked for, so that it can be redirected to a file.
    output.aside(&report);
    output.done(stanzas.join("\n").trim_end(), &json)
}

/// The CA, as JSON.
fn describe(authority: &PinnedAuthority) -> Value {
    json!({
        "ca_sha256": authority.fingerprint().to_string(),
        "ca_not_after": authority.not_after().to_string(),
        "ca_constrained": authority.is_constrained(),
        "succeeds_sha256": authority.succeeds().map(|old| old.to_string()),
    })
}

/// What was planned and, unless this is a dry run, done.
fn add_outcome(json: &mut Value, plan: &Plan, applied: Option<&Applied>) {
    let file = |file: &PlannedFile| {
        json!({
            "path": file.path,
            "state": word(file.state, applied.is_none()),
            "os_store": file.os_store,
        })
    };
    json["dry_run"] = json!(applied.is_none());
    json["changed"] = json!(applied.is_some_and(|applied| applied.manifest.is_some()));
    json["files"] = plan.files().iter().map(file).collect();
    json["manifest"] = json!(applied.and_then(|applied| applied.manifest.as_deref()));
    json["store_command"] = json!(applied.and_then(|applied| applied.store_command));
    json["restart"] = json!(applied.map(|applied| applied.to_restart.as_slice()).unwrap_or_default());
    json["notes"] = json!(plan.notes());
}

/// A line for each file, and notes.
fn report(plan: &Plan, applied: Option<&Applied>) -> String {
    let mut lines: Vec<String> = Vec::new();
    for file in plan.files() {
        lines.push(format!("{} {}", word(file.state, applied.is_none()), file.path.display()));
    }
    lines.extend(plan.notes().iter().map(|note| format!("note: {note}")));
    if let Some(applied) = applied {
        lines.extend(applied.store_command.map(|command| format!("ran {command}")));
        lines.extend(applied.to_restart.iter().map(|daemon| {
            format!("note: {daemon} reads the operating system's store only when it starts; it reads certs.d without a restart")
        }));
    }
    lines.join("\n")
}

fn word(state: PlannedState, dry_run: bool) -> &'static str {
    match (state, dry_run) {
        (PlannedState::Same, _) => "unchanged",
        (PlannedState::Unwanted, true) => "would remove",
        (PlannedState::Unwanted, false) => "removed",
        (PlannedState::Absent, true) => "would write",
        (PlannedState::Other | PlannedState::Predecessor, true) => "would replace",
        (PlannedState::Absent, false) => "wrote",
        (PlannedState::Other | PlannedState::Predecessor, false) => "replaced",
    }
}

fn stanza(tool: Tool, scope: &InstallScope, registry: &RegistryAddress) -> String {
    match tool {
        Tool::Buildkit => buildkit_stanza(scope, registry, &buildx_file()),
        Tool::K3s => k3s_stanza(scope, registry),
    }
}

/// The CA that the registry publishes, verified by the pin or by what this host already trusts.
fn verified(
    host: &Host,
    scope: &InstallScope,
    registry: &RegistryAddress,
    pin: Option<Fingerprint>,
    limit: Duration,
) -> anyhow::Result<PinnedAuthority> {
    let pin = match pin {
        Some(pin) => pin,
        None => known_authority(host, scope, registry)?
            .ok_or_else(|| TrustError::NoPin { registry: registry.written().to_owned() })?,
    };
    Ok(block_on_and_leave(verify(registry, pin, limit, now()))??)
}

/// What buildx reads for new builders. The file belongs to a user, and with sudo this process has another home directory: hence `~`.
fn buildx_file() -> PathBuf {
    let directory = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let buildx = directory("BUILDX_CONFIG").or_else(|| Some(directory("DOCKER_CONFIG")?.join("buildx")));
    buildx.unwrap_or_else(|| PathBuf::from("~/.docker/buildx")).join("buildkitd.default.toml")
}

/// The directories of the user who runs this, if files may be written there for them.
pub(super) fn home(host: &Host) -> anyhow::Result<Home> {
    let home = home_of_environment()?;
    home.require_own(host)?;
    Ok(home)
}

/// The directories of the user who runs this, from the environment as docker and podman read it.
pub(super) fn home_of_environment() -> anyhow::Result<Home> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let Some(home) = absolute("HOME") else {
        bail!(
            "HOME is not set to an absolute path, so the user's directories are unknown; set it, or run without --user"
        );
    };
    let below = |name: &str, default: &Path| absolute(name).unwrap_or_else(|| home.join(default));
    let (config, state) =
        (below("XDG_CONFIG_HOME", ".config".as_ref()), below("XDG_STATE_HOME", ".local/state".as_ref()));
    Ok(Home { home, config, state })
}

fn now() -> jiff::Timestamp {
    Clock::system().now()
}
