//! What a person sees first: where the registry is, who the administrator is, what to type next.

use std::fmt::Write;

use crate::config::Config;
use crate::domain::net::host_port::with_port;
use crate::node::administrator::Administrator;
use crate::node::first_start::FirstRegistry;
use crate::node::host_names::{best_for_others, names_to_serve};
use crate::node::run::Ready;
use crate::pki::Authority;
use crate::trust::command::short_line;
use crate::trust::script::Trusted;

/// After `init`.
pub(super) fn initialised(made: &FirstRegistry, config: &Config) -> String {
    let (data, authority) = (made.data.path().display(), &made.authority);
    let names = names_to_serve(&config.server.hosts, Some(authority));
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut text = format!("Portcullis {} initialised {data}\n", env!("CARGO_PKG_VERSION"));
    let fingerprint = authority.fingerprint();
    line(&mut text, "certificate", &format!("{}; CA SHA-256 {fingerprint}", names.join(", ")));
    line(&mut text, "administrator", &administrator_line(&made.administrator));
    line(&mut text, "next", &format!("portcullis serve --data {data}"));
    if config.database.is_shared() {
        let key = config.secrets.key_file.clone().unwrap_or_else(|| made.data.data_key_file());
        let copy = format!("copy the configuration and the key {} (mode 0600) to each", key.display());
        let set = if config.secrets.key_file.is_none() { ", and set secrets.key_file to its place there" } else { "" };
        line(&mut text, "other nodes", &format!("{copy}{set}; then portcullis serve"));
    }
    others(&mut text, &names, config.server.listen.port(), authority);
    text
}

/// When `serve` is ready.
pub(super) fn serving(ready: &Ready<'_>) -> String {
    let (version, address, certificate) = (env!("CARGO_PKG_VERSION"), ready.address, ready.certificate);
    let mut text = format!("Portcullis {version} serves https://{address} from {}\n", ready.data.path().display());
    let until = certificate.not_after.strftime("%Y-%m-%d");
    let names = certificate.names.join(", ");
    let ca = ready.authority.map(|authority| format!("; CA SHA-256 {}", authority.fingerprint())).unwrap_or_default();
    line(&mut text, "certificate", &format!("{names}; until {until}{ca}"));
    if let Some(administrator) = ready.administrator {
        line(&mut text, "administrator", &administrator_line(administrator));
    }
    line(&mut text, "this machine", &format!("docker login {}", with_port("localhost", address.port())));
    if let Some(authority) = ready.authority {
        others(&mut text, &certificate.names, address.port(), authority);
    }
    text
}

fn administrator_line(administrator: &Administrator) -> String {
    let name = &administrator.name;
    match administrator.password_to_show() {
        Some(password) => {
            format!("{name}, password  {password}   (shown once; change it: portcullis user passwd {name})")
        }
        None => name.to_string(),
    }
}

fn others(text: &mut String, names: &[String], port: u16, authority: &Authority) {
    let (host, sha256) = (with_port(best_for_others(names), port), authority.fingerprint().to_string());
    let (pem, constrained) = (authority.root_pem(), authority.is_constrained());
    line(text, "other hosts", &short_line(&Trusted { host: &host, pem: &pem, sha256: &sha256, constrained }));
}

fn line(text: &mut String, label: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  {label:13} {value}");
}
