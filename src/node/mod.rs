//! One node put together: data directory, first start, stores, wiring, run.

pub(crate) mod acme;
pub(crate) mod acme_store;
pub(crate) mod administrator;
pub(crate) mod authority;
pub(crate) mod certificate;
pub(crate) mod certificates;
pub(crate) mod data_directory;
pub(crate) mod first_start;
pub(crate) mod health;
pub(crate) mod host_names;
pub(crate) mod identity;
pub(crate) mod operator;
pub(crate) mod order;
pub(crate) mod owner;
pub(crate) mod run;
pub(crate) mod settings;
pub(crate) mod stores;
