//! What each room is told by the configuration: whole sections, so that a new setting is not named here.

use crate::admin::AdminSettings;
use crate::config::Config;
use crate::http::HttpSettings;
use crate::registry::RegistrySettings;

pub(super) fn registry_settings(config: &Config) -> RegistrySettings {
    let Config { limits, storage, delete, .. } = config.clone();
    RegistrySettings { limits, storage, delete }
}

pub(super) fn http_settings(config: &Config) -> HttpSettings {
    let Config { server, auth, limits, .. } = config.clone();
    HttpSettings { server, auth, limits }
}

pub(super) fn admin_settings(config: &Config) -> AdminSettings {
    AdminSettings {
        personal_namespaces: config.auth.personal_namespaces,
        failures_per_account: config.auth.failures_per_account,
    }
}
