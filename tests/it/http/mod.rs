//! What is served over HTTP, its errors and headers, to clients, browsers and supervisors.

mod browsers;
mod errors;
mod front_page;
mod interop;
mod lenience;
mod readiness;
