//! The files that certificates and keys are stored in: where they are, who may read them, how they are written whole or not at all.

pub(crate) mod atomic_file;
pub(crate) mod changes;
pub(crate) mod kept_files;
pub(crate) mod key_mode;
pub(crate) mod new_key_file;
pub(crate) mod paths;
pub(crate) mod private_file;
pub(crate) mod stamp;
