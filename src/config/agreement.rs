//! Which settings the nodes of one registry must have in common. Every key is one of them unless it is listed here: a new key that each node
//! may set for itself has to say so.

use std::collections::BTreeMap;

use super::Config;

/// Keys of one node: where it listens, what it can carry, and where its own files are. What is in files that differ in name is compared
/// where it is used.
const MAY_DIFFER: &[&str] = &[
    "acme.directory_ca",
    "acme.eab_key_file",
    "acme.eab_kid",
    "acme.http_listen",
    "auth.password_concurrency",
    "auth.password_queue",
    "blobs.s3.access_key_file",
    "blobs.s3.ca",
    "blobs.s3.endpoint",
    "blobs.s3.secret_key_file",
    "blobs.s3.upload_memory",
    "client_certificates.ca",
    "client_certificates.crl",
    "database.password",
    "database.password_file",
    "database.pooler",
    "database.url",
    "limits.body_memory",
    "limits.concurrent_uploads",
    "log.format",
    "log.level",
    "secrets.key_file",
    "server.drain_delay",
    "server.drain_timeout",
    "server.handshake_timeout",
    "server.header_timeout",
    "server.idle_timeout",
    "server.keep_alive",
    "server.listen",
    "server.max_connections",
    "server.max_connections_per_address",
    "server.max_requests",
    "server.max_streams_per_connection",
    "server.minimum_rate",
    "storage.min_free_space",
    "tls.certificate",
    "tls.private_key",
];

impl Config {
    /// The settings that every node must have in common, by key, as the configuration file would have them. None is a secret.
    pub(crate) fn in_common(&self) -> BTreeMap<String, String> {
        let common = self.values().into_iter().filter(|(key, _)| !MAY_DIFFER.contains(&key.as_str()));
        common.map(|(key, value)| (key, value.to_string())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Overrides};

    fn config() -> Config {
        let overrides = Overrides { data: Some("/data".into()), ..Overrides::default() };
        Config::load(&overrides, &Environment::default()).expect("valid").config
    }

    #[test]
    fn every_key_that_may_differ_exists() {
        let keys: Vec<String> = config().values().into_iter().map(|(key, _)| key).collect();
        let unknown: Vec<_> = MAY_DIFFER.iter().filter(|key| !keys.iter().any(|known| known == *key)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn rights_and_limits_are_common_and_places_are_not() {
        let mut config = config();
        let before = config.in_common();
        assert_eq!(before["storage.read_only"], "false");
        assert_eq!(before["server.hosts"], "[]");
        assert!(!before.contains_key("server.listen") && !before.contains_key("database.url"));
        config.storage.read_only = true;
        config.server.max_requests = 17;
        let changed: Vec<_> = config.in_common().into_iter().filter(|(key, value)| before[key] != *value).collect();
        assert_eq!(changed, [("storage.read_only".to_owned(), "true".to_owned())]);
    }
}
