//! What each room is told by the configuration, where that is more than one section.

use crate::config::Config;
use crate::http::HttpSettings;
use crate::registry::RegistrySettings;

pub(super) fn registry_settings(config: &Config) -> RegistrySettings {
    let Config { limits, storage, delete, gc, trash, scrub, pulls, .. } = config.clone();
    RegistrySettings { limits, storage, delete, gc, trash, pulls, scrub }
}

pub(super) fn http_settings(config: &Config) -> HttpSettings {
    let Config { server, auth, limits, .. } = config.clone();
    HttpSettings { server, auth, limits }
}
