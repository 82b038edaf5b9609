//! The Authorization header.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::http::auth::authorization::Authorization;

fuzz_target!(|text: &str| {
    if let Ok(Authorization::Basic { name, password }) = Authorization::parse(text) {
        assert!(!name.contains(':'));
        // What is read is never shown.
        assert!(password.expose().len() < 4 || !format!("{password:?}").contains(password.expose()));
    }
});
