//! Keys that are valid on their own and conflict with each other.

use super::{BlobStoreKind, Config, DatabaseUrl, RedirectRule, reader::Reader};
use crate::domain::net::HostName;

/// Notes every conflict, at the key that has to change.
pub(super) fn note(config: &Config, reader: &mut Reader<'_>) {
    proxy_protocol(config, reader);
    operator_pair(config, reader);
    external_account(config, reader);
    database(config, reader);
    if config.acme.is_enabled() {
        acme(config, reader);
    }
    client_certificates(config, reader);
    if config.blobs.store == BlobStoreKind::S3 {
        s3(config, reader);
    }
}

/// The header of the PROXY protocol is read from trusted proxies only.
fn proxy_protocol(config: &Config, reader: &mut Reader<'_>) {
    if config.server.proxy_protocol && config.server.trusted_proxies.is_empty() {
        let problem = "server.trusted_proxies is missing: set it to the addresses of the proxies";
        reader.refuse("server.proxy_protocol", problem);
    }
}

fn operator_pair(config: &Config, reader: &mut Reader<'_>) {
    match (&config.tls.certificate, &config.tls.private_key) {
        (Some(_), None) => reader.refuse("tls.certificate", "tls.private_key is missing: set both or none"),
        (None, Some(_)) => reader.refuse("tls.private_key", "tls.certificate is missing: set both or none"),
        _ => {}
    }
}

fn external_account(config: &Config, reader: &mut Reader<'_>) {
    match (&config.acme.eab_kid, &config.acme.eab_key_file) {
        (Some(_), None) => reader.refuse("acme.eab_kid", "acme.eab_key_file is missing: set both or none"),
        (None, Some(_)) => reader.refuse("acme.eab_key_file", "acme.eab_kid is missing: set both or none"),
        _ => {}
    }
}

fn database(config: &Config, reader: &mut Reader<'_>) {
    let database = &config.database;
    if database.url.as_ref().is_some_and(DatabaseUrl::is_protected_in_vain) {
        let problem = "sslmode=allow and sslmode=prefer protect nothing, because anyone between the two can switch TLS off: write \
                       sslmode=verify-full, or sslmode=disable for none";
        reader.refuse("database.url", problem);
    }
    if database.password.is_some() && database.password_file.is_some() {
        let problem = "PORTCULLIS_DATABASE_PASSWORD gives a password as well: keep one";
        reader.refuse("database.password_file", problem);
    }
}

fn acme(config: &Config, reader: &mut Reader<'_>) {
    const KEY: &str = "acme.directory";
    if !config.acme.terms_agreed {
        let problem = "an authority issues certificates only to those who agree to its terms of service: read them, then \
                       set acme.terms_agreed to true";
        reader.refuse(KEY, problem);
    }
    if config.tls.pair().is_some() {
        let problem = "tls.certificate is set as well: a certificate is either yours or ordered by ACME; keep one";
        reader.refuse(KEY, problem);
    }
    let hosts = &config.server.hosts;
    if hosts.is_empty() {
        reader.refuse(KEY, "server.hosts is empty: set it to the names that the certificate is for");
    }
    for host in hosts.iter().filter(|host| is_loopback(host)) {
        let problem = format!(
            "no authority can reach {host} of server.hosts: remove it there, the registry's own certificate has it anyway"
        );
        reader.refuse(KEY, problem);
    }
}

fn is_loopback(host: &HostName) -> bool {
    match host {
        HostName::Dns(name) => name == "localhost" || name.ends_with(".localhost"),
        HostName::Address(address) => address.is_loopback() || address.is_unspecified(),
    }
}

fn client_certificates(config: &Config, reader: &mut Reader<'_>) {
    if config.client_certificates.required && config.client_certificates.ca.is_none() {
        let problem = "client_certificates.ca is missing, without which no client is asked for a certificate";
        reader.refuse("client_certificates.required", problem);
    }
}

fn s3(config: &Config, reader: &mut Reader<'_>) {
    let s3 = &config.blobs_s3;
    if s3.bucket.is_none() {
        reader.refuse("blobs.store", "blobs.s3.bucket is missing: set it to the bucket that blobs are kept in");
    }
    match (&s3.access_key_file, &s3.secret_key_file) {
        (Some(_), None) => {
            reader.refuse("blobs.s3.access_key_file", "blobs.s3.secret_key_file is missing: set both or none");
        }
        (None, Some(_)) => {
            reader.refuse("blobs.s3.secret_key_file", "blobs.s3.access_key_file is missing: set both or none");
        }
        _ => {}
    }
    if let Some(endpoint) = &s3.endpoint
        && endpoint.is_plain()
        && !endpoint.is_loopback()
        && !s3.plain_http
    {
        let problem = "without TLS everyone between reads and changes images: write https://, or set blobs.s3.plain_http \
                       to true if the network is yours alone";
        reader.refuse("blobs.s3.endpoint", problem);
    }
    if s3.redirect != RedirectRule::Never && s3.public_endpoint.is_none() {
        let problem = "blobs.s3.public_endpoint is missing: set it to the object store's address as clients reach it";
        reader.refuse("blobs.s3.redirect", problem);
    }
}
