//! One node put together: data directory, first start, stores, wiring, run.

mod acme;
mod acme_store;
pub(crate) mod administrator;
pub(crate) mod authority;
pub(crate) mod bucket;
pub(crate) mod certificate;
mod certificates_in_use;
pub(crate) mod check;
pub(crate) mod data_directory;
mod ending;
pub(crate) mod first_start;
pub(crate) mod health;
pub(crate) mod host_names;
pub(crate) mod identity;
pub(crate) mod moving;
pub(crate) mod operator;
pub(crate) mod order;
pub(crate) mod owner;
mod presence;
pub(crate) mod progress;
pub(crate) mod run;
pub(crate) mod schema;
mod secrets;
mod settings;
pub(crate) mod shared;
pub(crate) mod stores;
