//! `portcullis ca rotate`: a new root in the place of the one that hosts trust, with time for them to follow.

use std::time::Duration;

use serde_json::json;

use super::context::Context;
use super::init::constraints;
use super::output::Output;
use super::serve::identity_source;
use crate::config::parse_duration;
use crate::domain::net::HostName;
use crate::node::host_names::{names_to_serve, subject_name};
use crate::pki::{Authority, Origin, PermittedNames, Rotation, SubjectName, Succession, ensure_leaf};

/// Make a new CA; hosts that trust the old one are served until an announced date
///
/// The old root signs a statement for the new one, which the server sends along until that date: hosts that trust either of them go
/// on. A host moves to the new CA by `portcullis trust HOST` without a new pin. The old root's key is destroyed. A running server
/// takes the new CA up within a second. With --host the new CA signs for names that the old one did not permit. Until the date, a
/// client that connects to a new IP address is not served, because it names none in its handshake.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A further name or address of the registry; repeat it for more. What was served before stays
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<HostName>,
    /// How long hosts that trust the old CA are served, at most until it ends: "30d", "24h"
    #[arg(long, value_name = "TIME", default_value = "90d", value_parser = overlap)]
    overlap: Duration,
    /// Serve hosts that trust the old CA no longer: where its key was stolen, or is lost
    #[arg(long, conflicts_with = "overlap")]
    at_once: bool,
    /// Let the new CA sign for any name: whoever trusts it then trusts it for the whole internet
    #[arg(long)]
    unconstrained: bool,
}

/// The longest hand-over: hosts that have not moved over in two years never will by themselves.
const LONGEST: Duration = Duration::from_hours(2 * 365 * 24);

fn overlap(text: &str) -> Result<Duration, String> {
    let overlap = parse_duration(text)?;
    if overlap.is_zero() {
        return Err("a hand-over takes time; --at-once does without one".to_owned());
    }
    if overlap > LONGEST {
        return Err("a hand-over takes 730d at most".to_owned());
    }
    Ok(overlap)
}

pub(super) fn run(context: &Context, args: &Args, output: &Output) -> anyhow::Result<()> {
    let (config, data) = (context.config()?, context.data_directory()?);
    let old = Authority::load(data.path())?;
    let mut names = names_to_serve(&config.server.hosts, Some(&old));
    if let PermittedNames::Only(permitted) = old.permitted() {
        names.extend(permitted.iter().cloned());
    }
    let added: Vec<SubjectName> = args.hosts.iter().map(subject_name).collect();
    names.extend(added.iter().cloned());
    names.sort();
    names.dedup();
    let succession = Succession {
        names,
        added,
        constraints: constraints(&config, args.unconstrained),
        overlap: (!args.at_once).then_some(args.overlap),
    };
    let mut new = Authority::rotate(data.path(), &succession)?;
    let served = names_to_serve(&config.server.hosts, Some(&new));
    ensure_leaf(data.path(), &mut new, &served)?;
    let shown = identity_source(&config, &data)?.load().is_ok_and(|identity| identity.origin() == Origin::Own);
    report((&old, &new), &served, shown, output)
}

/// `shown`: whether what is served comes from the authority at all.
fn report(
    (old, new): (&Authority, &Authority),
    served: &[SubjectName],
    shown: bool,
    output: &Output,
) -> anyhow::Result<()> {
    let (before, pin) = (old.fingerprint(), new.fingerprint());
    let rotation = new.rotation(jiff::Timestamp::now());
    let mut lines = vec![format!("new CA SHA-256 {pin}; the key of the one before ({before}) is destroyed")];
    if !shown {
        lines.push(
            "the certificate in use comes from another authority (portcullis cert show): no host is concerned now"
                .to_owned(),
        );
    }
    match rotation {
        Some(rotation) => {
            lines.push(format!(
                "hosts that trust the one before are served until {}; until then each moves on by `portcullis trust HOST:PORT`, \
                 without a new pin (where this program is not: by the line that `portcullis ca trust-command` prints)",
                rotation.until()
            ));
            lines.extend(not_yet(served, rotation));
        }
        None => lines.push(
            "no host trusts it yet: each must be told the new pin (`portcullis ca trust-command`; `portcullis trust` needs --replace there)"
                .to_owned(),
        ),
    }
    lines.push("copies of the old key elsewhere are of no use to this registry: destroy them".to_owned());
    lines.push("the new root key is in the data directory: `portcullis ca seal` puts it away".to_owned());
    let json = json!({
        "sha256": pin.to_string(),
        "previous_sha256": before.to_string(),
        "until": rotation.map(|rotation| rotation.until().to_string()),
    });
    output.done(&lines.join("\n"), &json)
}

/// New addresses: a handshake to an address names none, so it is answered as before.
fn not_yet(served: &[SubjectName], rotation: &Rotation) -> Option<String> {
    let new = served.iter().filter(|name| matches!(name, SubjectName::Ip(_)) && !rotation.permits(name));
    let new: Vec<String> = new.map(ToString::to_string).collect();
    (!new.is_empty())
        .then(|| format!("{} can be connected to by address only after that; by name at once", new.join(", ")))
}
