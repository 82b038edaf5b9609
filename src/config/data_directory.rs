//! `data_dir`, the one key above the sections: its default depends on who runs Portcullis.

use std::path::PathBuf;

use super::{
    definition::SampleKey,
    environment::{Environment, SYSTEM_DATA},
    reader::Keys,
    setting::Setting,
};

const NAME: &str = "data_dir";

const TEXT: &[&str] = &[
    " The directory of images, the database, keys and certificates. One Portcullis serves one such directory; put it on a",
    " local disk. The default is this one for root, and $XDG_DATA_HOME/portcullis (~/.local/share/portcullis) for others.",
];

/// The path; empty if it is not set and the user has no home.
pub(super) fn read(keys: &mut Keys<'_, '_>, environment: &Environment) -> PathBuf {
    keys.get(NAME, environment.default_data_dir().unwrap_or_default())
}

pub(super) fn sample() -> SampleKey {
    SampleKey { name: NAME, text: TEXT, default: PathBuf::from(SYSTEM_DATA).to_toml() }
}
