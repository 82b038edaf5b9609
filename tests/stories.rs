//! Stories: what people do with the registry, told against the real program over real TLS.

mod support;

mod stories {
    mod accounts;
    mod browsers;
    mod brute_force;
    mod certificates;
    mod challenges;
    mod client_certificates;
    mod connections;
    mod credentials;
    mod data_directory;
    mod durability;
    mod errors;
    mod failures;
    mod far_lists;
    mod first_start;
    mod front_page;
    mod given_certificates;
    mod greed;
    mod interop;
    mod lenience;
    mod login;
    mod manifests;
    mod pulls;
    mod readiness;
    mod removal;
    mod rights;
    mod sizes;
    mod surroundings;
    mod unread;
    mod uploads;
}
