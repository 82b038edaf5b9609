//! What each room is told by the configuration.

use crate::admin::AdminSettings;
use crate::auth::AuthSettings;
use crate::config::{Challenge, Config};
use crate::http::{ChallengeRule, HttpSettings};
use crate::registry::RegistrySettings;
use crate::server::ServerOptions;

pub(crate) fn server_options(config: &Config) -> ServerOptions {
    let server = &config.server;
    ServerOptions {
        max_connections: server.max_connections as usize,
        max_connections_per_address: server.max_connections_per_address as usize,
        handshake_timeout: server.handshake_timeout,
        header_timeout: server.header_timeout,
        keep_alive: server.keep_alive,
        max_streams_per_connection: server.max_streams_per_connection,
        max_requests: server.max_requests as usize,
        proxy_protocol: server.proxy_protocol.then(|| server.trusted_proxies.clone().into()),
        write_stall_timeout: server.idle_timeout,
        drain_timeout: server.drain_timeout,
        ..ServerOptions::new(server.listen)
    }
}

pub(super) fn registry_settings(config: &Config) -> RegistrySettings {
    RegistrySettings {
        manifest_size: config.limits.manifest_size.bytes(),
        manifest_descriptors: config.limits.manifest_descriptors as usize,
        sparse_indexes: config.limits.sparse_indexes.clone(),
        blob_size: config.limits.blob_size.map(crate::config::ByteSize::bytes),
        page_size: config.limits.page_size,
        delete_enabled: config.delete.enabled,
        read_only: config.storage.read_only,
        upload_expiry: config.storage.upload_expiry,
        uploads_per_account: config.limits.uploads_per_account,
    }
}

pub(super) fn http_settings(config: &Config) -> HttpSettings {
    HttpSettings {
        challenge: match config.auth.challenge {
            // Identity tokens go to the token endpoint alone: see `http::challenge_rule`.
            Challenge::Auto if config.auth.refresh_token_lifetime.is_some() => ChallengeRule::Bearer,
            Challenge::Auto => ChallengeRule::Auto,
            Challenge::Bearer => ChallengeRule::Bearer,
            Challenge::Basic => ChallengeRule::Basic,
        },
        service: config.auth.service.clone(),
        trusted_proxies: config.server.trusted_proxies.clone(),
        public_host: config.server.public_url.as_ref().map(|url| url.host().clone()),
        cors_origins: config.server.cors_origins.iter().map(ToString::to_string).collect(),
        tags_per_push: config.limits.tags_per_push as usize,
        idle_timeout: config.server.idle_timeout,
        minimum_rate: config.server.minimum_rate.bytes(),
        concurrent_uploads: config.limits.concurrent_uploads as usize,
        body_memory: usize::try_from(config.limits.body_memory.bytes()).unwrap_or(usize::MAX),
        notice: config.server.notice.clone(),
    }
}

/// The part of the configuration that authentication reads.
pub(super) fn auth_settings(config: &Config) -> AuthSettings {
    let auth = &config.auth;
    AuthSettings {
        issuer: auth.issuer.clone(),
        service: auth.service.clone(),
        token_lifetime: auth.token_lifetime,
        personal_namespaces: auth.personal_namespaces,
        password_concurrency: auth.password_concurrency as usize,
        password_queue: auth.password_queue as usize,
        password_memory: auth.password_memory,
        failures_per_address: auth.failures_per_address,
        failures_per_account: auth.failures_per_account,
        refresh_token_lifetime: auth.refresh_token_lifetime,
        key_rotation: auth.key_rotation,
    }
}

pub(super) fn admin_settings(config: &Config) -> AdminSettings {
    AdminSettings {
        personal_namespaces: config.auth.personal_namespaces,
        failures_per_account: config.auth.failures_per_account,
    }
}
