//! One node put together: data directory, first start, stores, wiring, run.

pub(crate) mod acme;
pub(crate) mod acme_store;
pub(crate) mod administrator;
pub(crate) mod certificates;
pub(crate) mod data_directory;
pub(crate) mod host_names;
pub(crate) mod owner;
