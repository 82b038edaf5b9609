//! `portcullis ca rotate`: replaces the root that hosts trust, and gives them time to move to the new one.

use std::time::Duration;

use serde_json::json;

use super::context::Context;
use super::output::Output;
use crate::config::parse_duration;
use crate::domain::Clock;
use crate::domain::net::HostName;
use crate::node::authority::{Replaced, Replacement, replace_authority};
use crate::pki::{RootTransition, SubjectName};

/// Replace the CA with a new one; hosts that trust the old CA are served during a transition period
///
/// The old root signs a cross-certificate for the new one, which the server sends until the end of the transition: hosts that trust
/// either root keep working. A host moves to the new CA with `portcullis trust HOST`, without a new pin. The old root's key is
/// destroyed. A running server uses the new CA within a second. With --host, the new CA may sign for names that the old one did not
/// permit. During the transition, clients cannot connect to a new IP address, because a TLS handshake to an address carries no name.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Another host name or address of the registry; repeat it for more. Existing names are kept
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<HostName>,
    /// The transition period in which hosts that trust the old CA are served, for example "30d" or "24h"; ends with the old CA at the latest
    #[arg(long, value_name = "TIME", default_value = "90d", value_parser = overlap)]
    overlap: Duration,
    /// Stop serving hosts that trust the old CA (use if its key was stolen or lost)
    #[arg(long, conflicts_with = "overlap")]
    at_once: bool,
    /// Let the new CA sign for any name: hosts that trust it then trust it for every site on the internet
    #[arg(long)]
    unconstrained: bool,
}

/// The longest transition: hosts that have not moved to the new CA in two years never will by themselves.
const LONGEST: Duration = Duration::from_hours(2 * 365 * 24);

fn overlap(text: &str) -> Result<Duration, String> {
    let overlap = parse_duration(text)?;
    if overlap.is_zero() {
        return Err("the transition cannot be zero; use --at-once for none".to_owned());
    }
    if overlap > LONGEST {
        return Err("the transition can be 730d at most".to_owned());
    }
    Ok(overlap)
}

pub(super) fn run(context: &Context, args: &Args, output: &Output) -> anyhow::Result<()> {
    let overlap = (!args.at_once).then_some(args.overlap);
    let replacement = Replacement { hosts: &args.hosts, unconstrained: args.unconstrained, overlap };
    let clock = context.clock();
    let replaced = context.change_certificates(|config, data| replace_authority(config, data, clock, &replacement))?;
    report(&replaced, clock, output)
}

fn report(replaced: &Replaced, clock: &Clock, output: &Output) -> anyhow::Result<()> {
    let Replaced { old, new, served, in_use } = replaced;
    let (before, pin) = (old.fingerprint(), new.fingerprint());
    let rotation = new.rotation(clock.now());
    let mut lines = vec![format!("new CA SHA-256 {pin}; the previous CA's key ({before}) has been destroyed")];
    if !in_use {
        lines.push(
            "the certificate in use was signed by another CA (portcullis cert show): no host is affected now"
                .to_owned(),
        );
    }
    match rotation {
        Some(rotation) => {
            lines.push(format!(
                "hosts that trust the previous CA are served until {}; until then, move each with `portcullis trust HOST:PORT`, without \
                 a new pin (hosts without this program: with the line that `portcullis ca trust-command` prints)",
                rotation.until()
            ));
            lines.extend(not_yet(served, rotation));
        }
        None => lines.push(
            "no host trusts it yet: hosts must re-run trust with the new pin (`portcullis ca trust-command`; `portcullis trust` needs --replace there)"
                .to_owned(),
        ),
    }
    lines.push("this registry no longer needs copies of the old key on other storage: destroy them".to_owned());
    lines.push("the new root key is in the data directory: protect it with `portcullis ca seal`".to_owned());
    let json = json!({
        "sha256": pin.to_string(),
        "previous_sha256": before.to_string(),
        "until": rotation.map(|rotation| rotation.until().to_string()),
    });
    output.done(&lines.join("\n"), &json)
}

/// New addresses: a handshake to an address carries no name, so it is answered with the previous chain.
fn not_yet(served: &[SubjectName], rotation: &RootTransition) -> Option<String> {
    let new = served.iter().filter(|name| matches!(name, SubjectName::Ip(_)) && !rotation.permits(name));
    let new: Vec<String> = new.map(ToString::to_string).collect();
    (!new.is_empty()).then(|| format!("{} can be reached by address only after that; by name at once", new.join(", ")))
}
