//! The certificates that the registry makes, is given, or orders.

mod acme;
mod certificates;
mod given_certificates;
mod rotation;
