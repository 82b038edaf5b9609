//! Keys, certificates and the TLS configuration.
