//! Logging in, rights, and what an attacker may try.

mod accounts;
mod brute_force;
mod challenges;
mod client_certificates;
mod coverage;
mod credentials;
mod login;
mod rights;
